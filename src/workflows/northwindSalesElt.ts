/** The sample pipeline: Northwind's orders become sales facts. It can be started without any input. */
import type { RowsProcessed } from '../domain/elt.js';
import { READY_MADE_PIPELINES } from '../domain/readyMade.js';
import { object, optional, text } from '../domain/shape.js';
import { checkInput } from './checkInput.js';
import { elt } from './elt.js';

export interface NorthwindSalesInput {
  /** Default: `Northwind_Sales_ELT`. */
  readonly pipeline?: string;
  /** The connection with the orders. Default: `northwind`. */
  readonly source?: string;
  /** The connection with staging and the warehouse. Default: `dwh`. */
  readonly target?: string;
}

const shape = object({ pipeline: optional(text), source: optional(text), target: optional(text) });

export async function northwindSalesElt(input?: NorthwindSalesInput): Promise<RowsProcessed> {
  const given = checkInput((value) => shape(value ?? {}, 'northwindSalesElt input'), input);
  return elt({
    pipeline: given.pipeline ?? READY_MADE_PIPELINES.northwindSalesElt!,
    source: given.source ?? 'northwind',
    target: given.target ?? 'dwh',
    tables: [
      { from: 'dbo.Orders', to: 'Staging.stg_Orders' },
      { from: 'dbo.[Order Details]', to: 'Staging.stg_OrderDetails' },
    ],
    transform: 'DWH.TransformSales',
    countTable: 'DWH.Fact_Sales',
  });
}
