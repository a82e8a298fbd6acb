/** Snowflake as a target: all tables of a batch by COPY INTO temporary ones, and from there in one transaction with the ledger. */
import { BadInput, RowsRejected } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { BATCH_ID, fitColumns, fittedColumn, LOADED_AT } from '../../shared/incoming.js';
import { takeOver } from '../../shared/intervals.js';
import type {
  Claim,
  IncomingTable,
  LedgerInterval,
  Load,
  LoadingTable,
  PlaceOptions,
  TransferTarget,
} from '../../transferContract.js';
import { changedRows } from '../frame.js';
import { time } from '../statements.js';
import { readUrl } from '../url.js';
import { Incoming } from './incoming.js';
import { intervalsOf, Ledger, lockTables, makeLedger, makeLocks } from './ledger.js';
import { removeSameKeys } from './merge.js';
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
    takesObjects: true,
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
    intervals: (tables) => withSession(options, [], (session) => ledgerIntervals(session, tables)),
    close: async () => undefined,
  };
}

async function withSession<T>(
  options: PlaceOptions,
  batchIDs: number[],
  work: (session: TransferSession) => Promise<T>,
): Promise<T> {
  const session = await TransferSession.open(options, batchIDs);
  try {
    return await work(session);
  } finally {
    // Rolls back what was not committed.
    await session.close();
  }
}

/** One look at the catalog, and one at the ledgers of all schemas. */
async function ledgerIntervals(
  session: TransferSession,
  wanted: readonly TableName[],
): Promise<LedgerInterval[][]> {
  const ledgers = wanted.map(({ schema }) => ({ schema, name: 'BATCHINTERVAL' }));
  const found = await findTables(session, [...wanted, ...ledgers]);
  const listed = wanted.map((table, index) =>
    found.has(ledgers[index]!) ? found.get(table)?.name : undefined,
  );
  const known = listed.filter((name) => name !== undefined);
  const intervals = known.length > 0 ? await intervalsOf(session, known) : [];
  return listed.map((name) => (name ? intervals[known.indexOf(name)]! : []));
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
  const { total: before, hasOwn } = await ledger.checkListed();
  for (const one of replaced) await one.checkListed();
  if (mode === 'replace') await ledger.checkAllListed();
  if (hasOwn) await ledger.removeOwn();
  for (const one of replaced) await one.makeRoom(mode);
  if (mode === 'replace') await ledger.removeAll();
  if (table.claim) await takeIntervals(ledger, table, table.claim, columns);
  const chunks = await incoming.count();
  const rejected = await setAside(
    load,
    { table, incoming, ledger },
    chunks.map(({ refused }) => refused),
  );
  const rows = incoming.values(rejected > 0);
  if (mode === 'merge') await removeSameKeys(session, { table, name, columns, rows });
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

async function takeIntervals(
  ledger: Ledger,
  table: LoadingTable,
  claim: Claim,
  columns: readonly FittedColumn[],
): Promise<void> {
  const change = takeOver(await ledger.intervals(), table.to, claim, ledger.batch);
  if (claim.force) await ledger.removeRows(claim, fittedColumn(table, columns, table.cursor!));
  await ledger.changeIntervals(change);
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
          'Mend the row or the table; a transfer with allowRejected leaves such rows out and keeps them in BatchRejected',
      );
    }
    const { text, binds } = incoming.refused(chunk);
    kept += await ledger.keepRejected(chunk, text, binds);
  }
  return kept;
}
