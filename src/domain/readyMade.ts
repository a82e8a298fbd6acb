/** What the ready-made workflows are called in the audit when nothing else names their pipeline. */
export const READY_MADE_PIPELINES: Readonly<Record<string, string>> = {
  northwindSalesElt: 'Northwind_Sales_ELT',
};
