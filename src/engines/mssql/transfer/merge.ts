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
  /** As SQL Server spells it. */
  readonly name: TableName;
  readonly columns: readonly FittedColumn[];
  /** A query of the rows that come. */
  readonly rows: string;
}

export async function removeSameKeys(session: TransferSession, merging: Merging): Promise<void> {
  const { table, name, columns, rows } = merging;
  const keys = table.key.map((key) => fittedColumn(table, columns, key).name);
  await checkKeys(session, merging, keys);
  const joined = `${quoted(name)} T JOIN (${rows}) S ON ${keys.map((key) => `T.${quote(key)} = S.${quote(key)}`).join(' AND ')}`;
  if (table.claim) {
    const cursor = quote(fittedColumn(table, columns, table.cursor!).name);
    const [newer] = await session.rows(
      `SELECT COUNT_BIG(*) AS [count] FROM ${joined} WHERE T.${cursor} > S.${cursor}`,
    );
    checkNotOlder(table, Number(newer!['count']));
  }
  await session.run(`DELETE T FROM ${joined}`);
}

async function checkKeys(
  session: TransferSession,
  { table, rows }: Merging,
  keys: readonly string[],
): Promise<void> {
  const list = keys.map(quote).join(', ');
  const [counts] = await session.rows(
    `SELECT COUNT_BIG(*) AS [all], COUNT_BIG(CASE WHEN ${keys.map((key) => `${quote(key)} IS NULL`).join(' OR ')} THEN 1 END) AS [without],
       (SELECT COUNT_BIG(*) FROM (SELECT DISTINCT ${list} FROM (${rows}) A) B) AS [apart] FROM (${rows}) C`,
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
}
