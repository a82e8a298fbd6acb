-- Sales facts from the staged orders of one batch. The sample's source is loaded whole, so all facts are replaced;
-- this script is one transaction, and a reader sees the old facts until it is committed.

CREATE TABLE IF NOT EXISTS DWH.Fact_Sales (
  OrderID INTEGER NOT NULL PRIMARY KEY,
  CustomerName TEXT NOT NULL,
  TotalAmount NUMERIC NOT NULL,
  OrderDate TEXT NOT NULL,
  BatchID INTEGER NOT NULL
);

CREATE INDEX IF NOT EXISTS DWH.IX_Fact_Sales_BatchID ON Fact_Sales (BatchID);

DELETE FROM DWH.Fact_Sales;

INSERT INTO DWH.Fact_Sales (OrderID, CustomerName, TotalAmount, OrderDate, BatchID)
-- Summed up before the join: the staging tables have no index on OrderID.
WITH Totals AS MATERIALIZED (
  SELECT OrderID, ROUND(SUM(UnitPrice * Quantity), 2) AS TotalAmount
  FROM Staging.stg_OrderDetails
  WHERE BatchID = @CurrentBatchID
  GROUP BY OrderID
)
SELECT o.OrderID, UPPER(o.CustomerID), t.TotalAmount, o.OrderDate, o.BatchID
FROM Staging.stg_Orders AS o
JOIN Totals AS t ON t.OrderID = o.OrderID
WHERE o.BatchID = @CurrentBatchID;
