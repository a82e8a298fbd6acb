/** SQL Server as a target: all tables of a batch by TDS bulk load, in one transaction with the ledger. */
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
import { hasNumber } from '../errors.js';
import { readUrl } from '../url.js';
import { Incoming } from './incoming.js';
import { intervalsOf, Ledger, makeLedger } from './ledger.js';
import { removeSameKeys } from './merge.js';
import { literal, quote, quoted } from './names.js';
import { TransferSession } from './session.js';
import { findSchema, findTable } from './tables.js';
import { typeName } from './types.js';

/** Batches that load into one table do so one after the other. */
const PATIENCE_MS = 60 * 60_000;
/** A constraint, a key, a NULL, a text that is too long: what the table has against a row. */
const ABOUT_ROW = [515, 547, 2601, 2627, 2628, 8152];

export async function openTarget(options: PlaceOptions): Promise<TransferTarget> {
  const { label } = readUrl(options.url);
  return {
    label,
    takesObjects: false,
    check: (tables) =>
      TransferSession.use(options, async (session) => {
        for (const table of tables) fitColumns(table, (await findTable(session, table.to))?.columns);
      }),
    load: (load) => TransferSession.use(options, (session) => loadAll(session, load)),
    intervals: (tables) =>
      TransferSession.use(options, async (session) => {
        const all: LedgerInterval[][] = [];
        for (const table of tables) all.push(await ledgerIntervals(session, table));
        return all;
      }),
    close: async () => undefined,
  };
}

async function ledgerIntervals(session: TransferSession, wanted: TableName): Promise<LedgerInterval[]> {
  const found = await findTable(session, wanted);
  if (!found) return [];
  const ledger = await findTable(session, { schema: found.name.schema, name: 'BatchInterval' });
  return ledger ? intervalsOf(session, found.name) : [];
}

async function loadAll(session: TransferSession, load: Load): Promise<void> {
  await takeTurns(session, load.tables);
  for (const table of load.tables) await loadTable(session, load, table);
  await session.commit();
}

/** An attempt that was given up may still be loading: its transaction ends first, and then the ledger knows about it. */
async function takeTurns(session: TransferSession, tables: readonly IncomingTable[]): Promise<void> {
  // Tables are made by one batch at a time, too.
  const schemas = tables.map(({ to }) => `schema ${to.schema.toLowerCase()}`);
  const names = tables.map(({ to }) => `table ${formatTableName(to).toLowerCase()}`);
  for (const name of [...new Set([...schemas, ...names])].sort()) {
    const [row] = await session.rows(
      `DECLARE @taken INT; EXEC @taken = sp_getapplock @Resource = ${literal(`batchtrail ${name}`.slice(0, 255))},
         @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = ${PATIENCE_MS};
       SELECT @taken AS [taken]`,
    );
    if (Number(row!['taken']) < 0) {
      throw new Error(
        `${session.label}: another transfer loads ${name}. If this lasts, look for a session that holds its application lock`,
      );
    }
  }
}

async function loadTable(session: TransferSession, load: Load, table: LoadingTable): Promise<void> {
  const { batch, mode } = load;
  const { name, columns } = await prepareTable(session, table);
  await makeLedger(session, name.schema);
  const ledger = new Ledger(session, name, batch);
  const replaced = load.replaces.map((logID) => ledger.of(logID));
  for (const one of [ledger, ...replaced]) await one.checkListed();
  if (mode === 'replace') await ledger.checkAllListed();
  const before = (await ledger.countRows()).total;
  await ledger.removeOwn();
  for (const one of replaced) await one.makeRoom(mode);
  if (mode === 'replace') await ledger.removeAll();
  if (table.claim) await takeIntervals(ledger, table, table.claim, columns);
  const incoming = await Incoming.copy(session, { table, columns }, load.onProgress);
  const chunks = await incoming.count();
  const rejected = await setAside(load, { table, incoming, ledger }, chunks);
  const rows = incoming.values();
  if (mode === 'merge') await removeSameKeys(session, { table, name, columns, rows });
  const loaded = await insert(session, load, { table, name, columns }, rows);
  for (const [chunk, { rows, refused }] of chunks.entries()) await ledger.add(chunk, rows - refused);
  const { total, ofBatch } = await ledger.countRows();
  await load.verify(table, { before, after: total, loaded, rejected, ofBatch });
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

interface Place {
  readonly table: LoadingTable;
  /** As SQL Server spells it. */
  readonly name: TableName;
  readonly columns: readonly FittedColumn[];
}

async function prepareTable(
  session: TransferSession,
  table: IncomingTable,
): Promise<{ name: TableName; columns: FittedColumn[] }> {
  const found = await findTable(session, table.to);
  const columns = fitColumns(table, found?.columns);
  if (!found) {
    const name = { schema: await schemaFor(session, table.to.schema), name: table.to.name };
    const own = [`${BATCH_ID} BIGINT NOT NULL`, `${LOADED_AT} DATETIME2(3) NOT NULL`];
    await session.run(`CREATE TABLE ${quoted(name)} (${[...columns.map(definition), ...own].join(', ')})`);
    await session.run(`CREATE INDEX IX_BatchID ON ${quoted(name)} (${BATCH_ID})`);
    // Babelfish lists a schema in lower case, and its tables with the name that it was made with.
    const { name: spelled } = (await findTable(session, name))!;
    return { name: spelled, columns };
  }
  if (!found.columns.some(({ name }) => name.toLowerCase() === LOADED_AT.toLowerCase())) {
    throw new BadInput(
      `${formatTableName(table.to)} needs the column ${LOADED_AT} DATETIME2. Add it, or name another table`,
    );
  }
  for (const column of columns) {
    if (column.isMissing) await session.run(`ALTER TABLE ${quoted(found.name)} ADD ${definition(column)}`);
  }
  return { name: found.name, columns };
}

async function schemaFor(session: TransferSession, schema: string): Promise<string> {
  const found = await findSchema(session, schema);
  if (found !== undefined) return found;
  // Alone in its batch, as this statement must be.
  await session.run(`EXEC (${literal(`CREATE SCHEMA ${quote(schema)}`)})`);
  return schema;
}

function definition({ name, type, nullable }: FittedColumn): string {
  return `${quote(name)} ${typeName(type)} ${nullable ? 'NULL' : 'NOT NULL'}`;
}

/** Keeps the rows that are refused, if that is allowed, and answers how many they are. */
async function setAside(
  { allowRejected }: Load,
  { table, incoming, ledger }: { table: LoadingTable; incoming: Incoming; ledger: Ledger },
  chunks: ReadonlyArray<{ readonly refused: number }>,
): Promise<number> {
  if (chunks.every(({ refused }) => refused === 0)) return 0;
  if (allowRejected) return ledger.keepRejected(incoming.refused());
  const { chunk, row, reason } = await incoming.firstRefused();
  throw new RowsRejected(
    `${formatTableName(table.to)}: the target refuses row ${row} of chunk ${chunk}: ${reason}. ` +
      'Mend the row or the table; a transfer with allowRejected leaves such rows out and keeps them in BatchRejected',
  );
}

async function insert(
  session: TransferSession,
  { batch }: Load,
  { table, name, columns }: Place,
  rows: string,
): Promise<number> {
  const { BigInt, DateTime2 } = session.db.driver;
  const names = [...columns.map((column) => quote(column.name)), BATCH_ID, LOADED_AT].join(', ');
  try {
    return await session.run(
      `INSERT INTO ${quoted(name)} (${names}) SELECT S.*, @batchID, @loadedAt FROM (${rows}) S`,
      { batchID: [BigInt, batch.logID], loadedAt: [DateTime2(3), new Date(batch.loadedAt)] },
    );
  } catch (error) {
    if (!hasNumber(error, ABOUT_ROW)) throw error;
    // A constraint ends the transaction here, so that rows can't be tried one by one.
    throw new RowsRejected(
      `${formatTableName(table.to)}: the target refuses a row: ${(error as Error).message}. Mend the row or the table`,
      { cause: error },
    );
  }
}
