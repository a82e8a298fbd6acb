/** Snowflake as a target: all tables of a batch by COPY INTO temporary ones, and from there in one transaction with the ledger. */
import { BadInput, RowsRejected } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { BATCH_ID, fitColumns, LOADED_AT } from '../../shared/incoming.js';
import type {
  IncomingTable,
  Load,
  LoadingTable,
  PlaceOptions,
  TransferTarget,
} from '../../transferContract.js';
import { changedRows } from '../frame.js';
import { time } from '../statements.js';
import { readUrl } from '../url.js';
import { Incoming } from './incoming.js';
import { Ledger, lockTables, makeLedger, makeLocks } from './ledger.js';
import { newName, quote, quoted } from './names.js';
import { TransferSession } from './session.js';
import { openStage } from './stage.js';
import type { FoundTable } from './tables.js';
import { findSchema, findTables } from './tables.js';
import { typeName } from './types.js';

const OWN = { batchID: newName(BATCH_ID), loadedAt: newName(LOADED_AT) };

export async function openTarget(options: PlaceOptions): Promise<TransferTarget> {
  const { label, stage } = readUrl(options.url);
  return {
    label,
    check: (tables, _mode, location) =>
      withSession(options, [], async (session) => {
        const found = await findTables(
          session,
          tables.map(({ to }) => to),
        );
        for (const table of tables) fit(table, found.get(table.to));
        // An internal stage needs a schema, which may still have to be made.
        if (!location.startsWith('file:')) await openStage(session, location, stage);
      }),
    load: (load) => withSession(options, [load.batch.logID], (session) => loadAll(session, load, stage)),
    close: async () => undefined,
  };
}

async function withSession(
  options: PlaceOptions,
  batchIDs: number[],
  work: (session: TransferSession) => Promise<void>,
): Promise<void> {
  const session = await TransferSession.open(options, batchIDs);
  try {
    await work(session);
  } finally {
    // Rolls back what was not committed.
    await session.close();
  }
}

function fit(table: IncomingTable, found: FoundTable | undefined): FittedColumn[] {
  const columns = fitColumns(table, found?.columns, newName);
  const names = found?.columns.map(({ name }) => name) ?? Object.values(OWN);
  if (Object.values(OWN).every((name) => names.includes(name))) return columns;
  throw new BadInput(
    `${formatTableName(table.to)} needs the columns ${OWN.batchID} NUMBER(38,0) and ${OWN.loadedAt} TIMESTAMP_NTZ, in upper case. Add them, or name another table`,
  );
}

interface PreparedTable {
  readonly table: LoadingTable;
  /** As Snowflake spells it. */
  readonly name: TableName;
  readonly columns: readonly FittedColumn[];
  readonly incoming: Incoming;
}

/** A DDL statement commits, so all that has to be made is made before the transaction; then it takes no longer than it must. */
async function loadAll(session: TransferSession, load: Load, stageName: string | undefined): Promise<void> {
  const bySchema = await makeSchemas(session, load.tables);
  // Temporary tables and stages are made there.
  await session.run(`USE SCHEMA ${quote([...bySchema.keys()][0]!)}`);
  const stage = await openStage(session, load.location, stageName);
  const found = await findTables(
    session,
    load.tables.map(({ to }) => to),
  );
  const prepared: PreparedTable[] = [];
  for (const [schema, tables] of bySchema) {
    const ofSchema: PreparedTable[] = [];
    for (const table of tables) {
      const { name, columns } = await prepareTable(session, schema, table, found.get(table.to));
      const number = prepared.length + ofSchema.length;
      const incoming = await Incoming.copy(session, stage, { table, columns, number });
      ofSchema.push({ table, name, columns, incoming });
    }
    await makeLedger(session, schema);
    await makeLocks(
      session,
      schema,
      ofSchema.map(({ name }) => name),
    );
    prepared.push(...ofSchema);
  }
  await session.run('BEGIN');
  for (const schema of bySchema.keys()) {
    const names = prepared.map(({ name }) => name).filter((name) => name.schema === schema);
    await lockTables(session, schema, names, load.batch);
  }
  for (const table of prepared) await loadTable(session, load, table);
  await session.run('COMMIT');
}

/**
 * In an order that is the same for all, in which their locks are taken. Makes those that are missing only, because
 * Snowflake asks for the right to create schemas also with IF NOT EXISTS.
 */
async function makeSchemas(
  session: TransferSession,
  tables: readonly LoadingTable[],
): Promise<Map<string, LoadingTable[]>> {
  const bySchema = new Map<string, LoadingTable[]>();
  for (const table of tables) {
    const found = await findSchema(session, table.to.schema);
    const schema = found ?? newName(table.to.schema);
    if (!found) await session.run(`CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`);
    bySchema.set(schema, [...(bySchema.get(schema) ?? []), table]);
  }
  return new Map([...bySchema].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function prepareTable(
  session: TransferSession,
  schema: string,
  table: IncomingTable,
  found: FoundTable | undefined,
): Promise<{ name: TableName; columns: FittedColumn[] }> {
  const columns = fit(table, found);
  if (!found) {
    const name = { schema, name: newName(table.to.name) };
    const own = [`${OWN.batchID} NUMBER(38,0) NOT NULL`, `${OWN.loadedAt} TIMESTAMP_NTZ(3) NOT NULL`];
    await session.run(
      `CREATE TABLE IF NOT EXISTS ${quoted(name)} (${[...columns.map(definition), ...own].join(', ')})`,
    );
    return { name, columns };
  }
  for (const column of columns) {
    if (!column.isMissing) continue;
    await session.run(`ALTER TABLE ${quoted(found.name)} ADD COLUMN IF NOT EXISTS ${definition(column)}`);
  }
  return { name: found.name, columns };
}

function definition({ name, type, nullable }: FittedColumn): string {
  return `${quote(name)} ${typeName(type)}${nullable ? '' : ' NOT NULL'}`;
}

async function loadTable(
  session: TransferSession,
  load: Load,
  { table, name, columns, incoming }: PreparedTable,
): Promise<void> {
  const { batch, mode } = load;
  const ledger = new Ledger(session, name, batch);
  const replaced = load.replaces.map((logID) => ledger.of(logID));
  for (const one of [ledger, ...replaced]) await one.checkListed();
  if (mode === 'replace') await ledger.checkAllListed();
  const before = (await ledger.countRows()).total;
  await ledger.removeOwn();
  for (const one of replaced) await one.makeRoom(mode);
  if (mode === 'replace') await ledger.removeAll();
  const chunks = await incoming.count();
  const rejected = await setAside(
    load,
    { table, incoming, ledger },
    chunks.map(({ refused }) => refused),
  );
  const rows = incoming.values(rejected > 0);
  if (mode === 'merge') await removeSameKeys(session, { table, name, columns }, rows);
  const names = [...columns.map((column) => quote(column.name)), OWN.batchID, OWN.loadedAt].join(', ');
  const loaded = changedRows(
    await session.run(`INSERT INTO ${quoted(name)} (${names}) SELECT S.*, ?, ${time('?')} FROM (${rows}) S`, [
      batch.logID,
      Date.parse(batch.loadedAt),
    ]),
  );
  await ledger.add(chunks.map(({ rows, refused }) => rows - refused));
  const { total, ofBatch } = await ledger.countRows();
  await load.verify(table, { before, after: total, loaded, rejected, ofBatch });
  load.onProgress(loaded);
}

/** Keeps the rows that are refused, if that is allowed, and answers how many they are. */
async function setAside(
  { allowRejected }: Load,
  { table, incoming, ledger }: { table: LoadingTable; incoming: Incoming; ledger: Ledger },
  refused: readonly number[],
): Promise<number> {
  let kept = 0;
  for (const [chunk, count] of refused.entries()) {
    if (count === 0) continue;
    if (!allowRejected) {
      const { row, reason } = await incoming.firstRefused(chunk);
      throw new RowsRejected(
        `${formatTableName(table.to)}: the target refuses row ${row} of chunk ${chunk}: ${reason}. ` +
          'Mend the row or the table; or set allowRejected, which leaves such rows out and keeps them in BatchRejected',
      );
    }
    const { text, binds } = incoming.refused(chunk);
    kept += await ledger.keepRejected(chunk, text, binds);
  }
  return kept;
}

/** The rows that are there with the keys of those that come make room for them. */
async function removeSameKeys(
  session: TransferSession,
  { table, name, columns }: Pick<PreparedTable, 'table' | 'name' | 'columns'>,
  rows: string,
): Promise<void> {
  const keys = table.key.map(
    (key) => columns[table.columns.findIndex((column) => column.name === key)]!.name,
  );
  const list = keys.map(quote).join(', ');
  const [counts] = await session.run(
    `SELECT COUNT(*) AS "all", COUNT_IF(${keys.map((key) => `${quote(key)} IS NULL`).join(' OR ')}) AS "without",
       (SELECT COUNT(*) FROM (SELECT DISTINCT ${list} FROM (${rows}))) AS "apart" FROM (${rows})`,
  );
  const [all, without, apart] = ['all', 'without', 'apart'].map((one) => Number(counts![one]));
  if (without! > 0) {
    throw new BadInput(
      `${formatTableName(table.to)}: a row has no ${keys.join(' or ')}, which is the key. Name a key that every row has`,
    );
  }
  if (all !== apart) {
    throw new BadInput(
      `${formatTableName(table.to)}: ${all! - apart!} of the source's rows have the same ${keys.join(', ')} as another. Name a key that tells them apart`,
    );
  }
  await session.run(
    `MERGE INTO ${quoted(name)} T USING (${rows}) S ON ${keys.map((key) => `T.${quote(key)} = S.${quote(key)}`).join(' AND ')}
     WHEN MATCHED THEN DELETE`,
  );
}
