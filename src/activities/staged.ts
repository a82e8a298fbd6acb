/** The names of staged objects: `<store>/<batch>/<table>/<extraction>-<chunk>.csv.gz`, so that no two writers meet. */
import type { BatchStep } from '../audit/batchScope.js';

type Owner = Pick<BatchStep, 'storeID' | 'id'>;

export function batchFolder({ storeID, id }: Owner): string {
  return `${storeID}/${id}`;
}

const LONGEST_NAME = 80;

/** Of a table's objects, without the end. The number keeps apart what differs in case only, or is too long. */
export function tableObjects(owner: Owner, table: string, index: number, extraction: string): string {
  const readable = table.replace(/[^\w.-]+/g, '_').slice(0, LONGEST_NAME);
  return `${batchFolder(owner)}/${index + 1}.${readable}/${extraction}`;
}

export function chunkObject(name: string, chunk: number): string {
  return `${name}-${String(chunk + 1).padStart(5, '0')}.csv.gz`;
}

export function manifestObject(name: string): string {
  return `${name}.json`;
}
