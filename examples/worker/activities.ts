import { batch } from 'batchtrail';

/** Returning `rowsProcessed` is enough; `batch()` is there for the BatchID and for more to say. */
export async function loadCustomers(): Promise<{ rowsProcessed: number }> {
  const customers = [
    { id: 1, name: 'Alfreds', BatchID: batch().id },
    { id: 2, name: 'Berglunds', BatchID: batch().id },
  ];
  // … write them to your warehouse here …
  batch().rows({ rejected: 0, source: 'crm', target: 'dwh' });
  batch().message(`loaded ${customers.length} customers`);
  return { rowsProcessed: customers.length };
}
