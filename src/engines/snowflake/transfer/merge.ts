/** Merging: the rows that are there with the keys of those that come make room for them. */
import { BadInput } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { fittedColumn } from '../../shared/incoming.js';
import { checkNotOlder } from '../../shared/intervals.js';
import type { LoadingTable } from '../../transferContract.js';
import { quote, quoted } from './names.js';
import type { TransferSession } from './session.js';

interface Merging {
  readonly table: LoadingTable;
  /** As Snowflake spells it. */
  readonly name: TableName;
  readonly columns: readonly FittedColumn[];
  /** A query of the rows that come. */
  readonly rows: string;
}

export async function removeSameKeys(session: TransferSession, merging: Merging): Promise<void> {
  const { table, name, columns, rows } = merging;
  const keys = table.key.map((key) => fittedColumn(table, columns, key).name);
  const isSame = keys.map((key) => `T.${quote(key)} = S.${quote(key)}`).join(' AND ');
  await checkKeys(session, merging, { keys, isSame });
  await session.run(`MERGE INTO ${quoted(name)} T USING (${rows}) S ON ${isSame} WHEN MATCHED THEN DELETE`);
}

async function checkKeys(
  session: TransferSession,
  { table, name, columns, rows }: Merging,
  { keys, isSame }: { keys: readonly string[]; isSame: string },
): Promise<void> {
  const cursor = table.claim && quote(fittedColumn(table, columns, table.cursor!).name);
  const newerRows = `SELECT COUNT(*) FROM ${quoted(name)} T JOIN (${rows}) S ON ${isSame} WHERE T.${cursor} > S.${cursor}`;
  const [counts] = await session.run(
    `SELECT COUNT(*) AS "all", COUNT_IF(${keys.map((key) => `${quote(key)} IS NULL`).join(' OR ')}) AS "without",
       (SELECT COUNT(*) FROM (SELECT DISTINCT ${keys.map(quote).join(', ')} FROM (${rows}))) AS "apart",
       ${cursor ? `(${newerRows})` : '0'} AS "newer" FROM (${rows})`,
  );
  const count = (name: string): number => Number(counts![name]);
  if (count('without') > 0) {
    throw new BadInput(
      `${formatTableName(table.to)}: a row has no ${keys.join(' or ')}, which is the key. Name a key that every row has`,
    );
  }
  const same = count('all') - count('apart');
  if (same > 0) {
    throw new BadInput(
      `${formatTableName(table.to)}: ${same} of the source's rows have the same ${keys.join(', ')} as another. Name a key that tells them apart`,
    );
  }
  checkNotOlder(table, count('newer'));
}
