/** PostgreSQL as a target: all tables of a batch by COPY, in one transaction with the ledger. */
import { BadInput, RowsRejected } from '../../../domain/errors.js';
import type { TableName } from '../../../domain/table.js';
import { formatTableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { fitColumns, fittedColumn } from '../../shared/incoming.js';
import { checkNotOlder, takeOver } from '../../shared/intervals.js';
import type {
  BatchStamp,
  Claim,
  IncomingTable,
  LedgerInterval,
  Load,
  LoadingTable,
  PlaceOptions,
  TransferTarget,
} from '../../transferContract.js';
import { quote } from '../schemaName.js';
import { readUrl } from '../url.js';
import { copyChunks } from './copyChunks.js';
import { isAboutRow, reasonOf } from './refusedRow.js';
import { hasLedger, intervalsOf, Ledger, makeLedger } from './ledger.js';
import { Session } from './session.js';
import { columnsOf, findTable, quoted } from './tables.js';
import { typeName } from './types.js';

/**
 * How rows get their batch without a change to the staged bytes: COPY leaves these columns to their defaults. The time is the
 * server's own, because to read one out of a setting for every row takes a sixth of a load's time.
 */
const OWN_DEFAULTS = {
  // `marker` is in it however PostgreSQL spells it.
  batchid: { expression: "current_setting('batchtrail.batchid')::bigint", marker: "'batchtrail.batchid'" },
  loadedat: { expression: 'transaction_timestamp()', marker: 'transaction_timestamp()' },
};

export async function openTarget(options: PlaceOptions): Promise<TransferTarget> {
  const { label } = readUrl(options.url);
  return {
    label,
    takesObjects: false,
    check: (tables) =>
      Session.use(options, async (session) => {
        for (const table of tables) {
          const found = await findTable(session, table.to);
          fitColumns(table, found && (await columnsOf(session, found)), newName);
        }
      }),
    load: (load) => Session.use(options, (session) => loadAll(session, load)),
    intervals: (tables) =>
      Session.use(options, async (session) => {
        const all: LedgerInterval[][] = [];
        for (const table of tables) all.push(await ledgerIntervals(session, table));
        return all;
      }),
    close: async () => undefined,
  };
}

async function ledgerIntervals(session: Session, wanted: TableName): Promise<LedgerInterval[]> {
  const found = await findTable(session, wanted);
  if (!found) return [];
  const { table } = found;
  const ledger = await findTable(session, { schema: table.schema, name: 'batchinterval' });
  return ledger ? intervalsOf(session, table) : [];
}

/** What PostgreSQL makes of a name without quotes; names that need them stay as they are. */
function newName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name.toLowerCase() : name;
}

async function loadAll(session: Session, load: Load): Promise<void> {
  const { batch } = load;
  await session.run('BEGIN ISOLATION LEVEL READ COMMITTED');
  await session.rows("SELECT set_config('batchtrail.batchid', $1, true)", [batch.logID]);
  await takeTurns(session, load.tables);
  for (const table of load.tables) await loadTable(session, load, table);
  await session.run('COMMIT');
}

/** An attempt that was given up may still be loading: its transaction ends first, and then the ledger knows about it. */
async function takeTurns(session: Session, tables: readonly IncomingTable[]): Promise<void> {
  const names = tables.map(({ to }) => formatTableName(to).toLowerCase()).sort();
  for (const name of names) {
    await session.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`batchtrail ${name}`]);
  }
  const schemas = new Set<string>();
  for (const { to } of tables) {
    if (!(await isMade(session, to))) schemas.add(newName(to.schema).toLowerCase());
  }
  for (const schema of [...schemas].sort()) {
    // Tables are made by one batch at a time; CREATE IF NOT EXISTS does not see what another one is about to make.
    await session.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [`batchtrail ${schema}`]);
  }
}

/** Who has nothing to make need not wait for loads into other tables, which last as long as their extraction. */
async function isMade(session: Session, to: TableName): Promise<boolean> {
  const found = await findTable(session, to);
  return found !== undefined && (await hasLedger(session, found.table.schema));
}

async function loadTable(session: Session, load: Load, table: LoadingTable): Promise<void> {
  const { batch, mode } = load;
  const { name, columns, isNew } = await prepareTable(session, table, batch);
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
  const names = columns.map((column) => quote(column.name)).join(', ');
  const into = mode === 'merge' ? await makeIncoming(session, name) : quoted(name);
  const counts = await copyChunks(session, { load, table, ledger, into: `${into} (${names})` });
  if (mode === 'merge') await merge(session, { table, name, columns });
  if (isNew) await finishTable(session, name, mode === 'merge' ? keyNames(table, columns) : []);
  const { total, ofBatch } = await ledger.countRows();
  await load.verify(table, { before, after: total, ...counts, ofBatch });
}

async function takeIntervals(
  ledger: Ledger,
  table: LoadingTable,
  claim: Claim,
  columns: readonly FittedColumn[],
): Promise<void> {
  const change = takeOver(await ledger.intervals(), table.to, claim, ledger.batch);
  if (claim.force) await ledger.removeRows(claim, fittedColumn(table, columns, table.cursor!).name);
  await ledger.changeIntervals(change);
}

async function prepareTable(
  session: Session,
  table: IncomingTable,
  { logID }: BatchStamp,
): Promise<{ name: TableName; columns: FittedColumn[]; isNew: boolean }> {
  const found = await findTable(session, table.to);
  const existing = found && (await columnsOf(session, found));
  const columns = fitColumns(table, existing, newName);
  const name = found?.table ?? {
    schema: await schemaFor(session, table.to.schema),
    name: newName(table.to.name),
  };
  if (!existing) {
    // The number itself, for the rows of this first load: to look up the setting for each takes a twentieth of its time.
    const own = [
      `batchid bigint NOT NULL DEFAULT ${logID}`,
      `loadedat timestamp with time zone NOT NULL DEFAULT ${OWN_DEFAULTS.loadedat.expression}`,
    ];
    await session.run(`CREATE TABLE ${quoted(name)} (${[...columns.map(definition), ...own].join(', ')})`);
    return { name, columns, isNew: true };
  }
  for (const column of columns) {
    if (column.isMissing) await session.run(`ALTER TABLE ${quoted(name)} ADD COLUMN ${definition(column)}`);
  }
  await giveDefaults(session, name);
  return { name, columns, isNew: false };
}

/** For the loads that follow. An index that is made when the rows are in costs less than one that is kept row by row. */
async function finishTable(session: Session, name: TableName, keys: readonly string[]): Promise<void> {
  await giveDefaults(session, name);
  // Small, because a batch's rows lie together; and quick to keep, unlike an index of every row.
  await session.run(`CREATE INDEX ON ${quoted(name)} USING brin (batchid)`);
  if (keys.length > 0) await session.run(`CREATE INDEX ON ${quoted(name)} (${keys.map(quote).join(', ')})`);
}

async function schemaFor(session: Session, schema: string): Promise<string> {
  const [found] = await session.rows(
    'SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname IN ($1::text, lower($1::text)) ORDER BY nspname = $1::text DESC',
    [schema],
  );
  if (found) return found[0]!;
  await session.run(`CREATE SCHEMA ${quote(newName(schema))}`);
  return newName(schema);
}

/** A table that people made has the columns, and does not know how they are filled. */
async function giveDefaults(session: Session, table: TableName): Promise<void> {
  const rows = await session.rows(
    `SELECT column_name, column_default FROM information_schema.columns
     WHERE table_schema = $1 AND table_name = $2 AND column_name IN ('batchid', 'loadedat')`,
    [table.schema, table.name],
  );
  const defaults = new Map(rows.map(([name, text]) => [name, text ?? '']));
  if (defaults.size < 2) {
    throw new BadInput(
      `${formatTableName(table)} needs the columns batchid bigint and loadedat timestamptz, in lower case. Add them, or name another table`,
    );
  }
  for (const name of ['batchid', 'loadedat'] as const) {
    if (defaults.get(name)!.includes(OWN_DEFAULTS[name].marker)) continue;
    await session.run(
      `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} SET DEFAULT ${OWN_DEFAULTS[name].expression}`,
    );
  }
}

function keyNames(table: LoadingTable, columns: readonly FittedColumn[]): string[] {
  return table.key.map((key) => fittedColumn(table, columns, key).name);
}

const INCOMING = 'pg_temp.batchtrail_incoming';

/** What comes waits beside the table, to be compared with it; a row that a CHECK of the table refuses is refused here. */
async function makeIncoming(session: Session, table: TableName): Promise<string> {
  await session.run(`DROP TABLE IF EXISTS ${INCOMING};
    CREATE TEMPORARY TABLE batchtrail_incoming (LIKE ${quoted(table)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) ON COMMIT DROP`);
  return INCOMING;
}

async function merge(
  session: Session,
  { table, name, columns }: { table: LoadingTable; name: TableName; columns: readonly FittedColumn[] },
): Promise<void> {
  const keys = keyNames(table, columns);
  const list = keys.map(quote).join(', ');
  const [[all, without, apart]] = (await session.rows(
    `SELECT count(*), count(*) FILTER (WHERE ${keys.map((key) => `${quote(key)} IS NULL`).join(' OR ')}),
            count(DISTINCT (${list}))
     FROM ${INCOMING}`,
  )) as [[string, string, string]];
  if (without !== '0') {
    throw new BadInput(
      `${formatTableName(table.to)}: a row has no ${keys.join(' or ')}, which is the key. Name a key that every row has`,
    );
  }
  if (all !== apart) {
    throw new BadInput(
      `${formatTableName(table.to)}: ${Number(all) - Number(apart)} of the source's rows have the same ${keys.join(', ')} as another. Name a key that tells them apart`,
    );
  }
  await session.run(`ANALYZE ${INCOMING}`);
  const isSame = keys.map((key) => `T.${quote(key)} = I.${quote(key)}`).join(' AND ');
  if (table.claim) {
    const cursor = quote(fittedColumn(table, columns, table.cursor!).name);
    const [[newer]] = (await session.rows(
      `SELECT count(*) FROM ${quoted(name)} AS T JOIN ${INCOMING} AS I ON ${isSame} WHERE T.${cursor} > I.${cursor}`,
    )) as [[string]];
    checkNotOlder(table, Number(newer));
  }
  await session.run(`DELETE FROM ${quoted(name)} AS T USING ${INCOMING} AS I WHERE ${isSame}`);
  const names = [...columns.map((column) => quote(column.name)), 'batchid', 'loadedat'].join(', ');
  await session
    .run(`INSERT INTO ${quoted(name)} (${names}) SELECT ${names} FROM ${INCOMING}`)
    .catch((error: unknown) => {
      if (!isAboutRow(error)) throw error;
      // All rows come at once, so none can be left out.
      throw new RowsRejected(
        `${formatTableName(table.to)}: the target refuses a row: ${reasonOf(error)}. Mend the row or the table`,
        { cause: error },
      );
    });
}

function definition({ name, type, nullable }: FittedColumn): string {
  return `${quote(name)} ${typeName(type)}${nullable ? '' : ' NOT NULL'}`;
}
