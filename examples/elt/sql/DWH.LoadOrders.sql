-- Runs as one transaction. @CurrentBatchID is bound to the batch's LogID.
CREATE TABLE IF NOT EXISTS DWH.Fact_Orders (OrderID INTEGER, Amount REAL, BatchID INTEGER);

DELETE FROM DWH.Fact_Orders
WHERE OrderID IN (SELECT OrderID FROM Staging.stg_Orders WHERE BatchID = @CurrentBatchID);

INSERT INTO DWH.Fact_Orders (OrderID, Amount, BatchID)
SELECT OrderID, Amount, @CurrentBatchID FROM Staging.stg_Orders WHERE BatchID = @CurrentBatchID;
