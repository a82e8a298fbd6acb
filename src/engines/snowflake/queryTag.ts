const LONGEST_TAG = 2000;

/** What Snowflake's query history shows of a statement: whose it is, and about which batches. */
export function queryTag(batchIDs: Iterable<number> = []): string {
  const tag = (ids: readonly number[]): string =>
    JSON.stringify({ app: 'batchtrail', ...(ids.length > 0 ? { BatchID: ids } : {}) });
  const shown: number[] = [];
  let length = tag([0]).length;
  for (const id of [...new Set(batchIDs)].sort((a, b) => a - b)) {
    length += String(id).length + 1;
    if (length > LONGEST_TAG) break;
    shown.push(id);
  }
  return tag(shown);
}
