export const READY_MADE_PIPELINES: Readonly<Record<string, string>> = {
  northwindSalesElt: 'Northwind_Sales_ELT',
};
