-- Runs as one transaction. @CurrentBatchID is bound to the batch's LogID.
CREATE TABLE IF NOT EXISTS DWH.Fact_Orders (OrderID INTEGER, ShipCountry TEXT, BatchID INTEGER);

DELETE FROM DWH.Fact_Orders
WHERE OrderID IN (SELECT OrderID FROM Staging.stg_ShopOrders WHERE BatchID = @CurrentBatchID);

INSERT INTO DWH.Fact_Orders (OrderID, ShipCountry, BatchID)
SELECT OrderID, ShipCountry, @CurrentBatchID FROM Staging.stg_ShopOrders WHERE BatchID = @CurrentBatchID;
