/** The thread that loads a batch's tables into their file, in one transaction. `loaderThread.ts` starts and answers it. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { BadInput } from '../../../domain/errors.js';
import { formatTableName } from '../../../domain/table.js';
import type { FittedColumn } from '../../shared/incoming.js';
import { fittedColumn } from '../../shared/incoming.js';
import { checkNotOlder, takeOver } from '../../shared/intervals.js';
import type { Claim } from '../../transferContract.js';
import { fullName, Ledger } from './ledger.js';
import { loadChunks } from './loadChunks.js';
import type { Answer, Order, OrderedTable, Question, Report } from './loaderThread.js';
import { openForLoad, whenFree } from './openForLoad.js';
import { packError } from './passedError.js';
import { indexBatches, nameOf, prepareTable } from './tables.js';

const port = parentPort!;
const order = workerData as Order;
load().then(
  () => report({ is: 'loaded' }),
  (error: unknown) => report({ is: 'failed', error: packError(error) }),
);

function report(message: Report): void {
  port.postMessage(message);
}

async function load(): Promise<void> {
  const { tables } = order;
  const db = await openForLoad(order);
  try {
    await whenFree(() => db.exec('BEGIN IMMEDIATE'), order);
    for (const [index, table] of tables.entries()) await loadTable(db, table, index);
    await whenFree(() => db.exec('COMMIT'), order);
  } finally {
    // Rolls back what was not committed.
    db.close();
  }
}

async function loadTable(db: Database.Database, table: OrderedTable, index: number): Promise<void> {
  const { batch, mode, replaces, allowRejected } = order;
  const name = nameOf(db, table.to);
  const columns = prepareTable(db, name, table);
  const ledger = new Ledger(db, { name, fullName: fullName(order.file, name) }, batch);
  const replaced = replaces.map((logID) => ledger.of(logID));
  for (const one of [ledger, ...replaced]) one.checkListed();
  if (mode === 'replace') ledger.checkAllListed();
  const before = ledger.countRows().total;
  ledger.removeOwn();
  for (const one of replaced) one.makeRoom(mode);
  if (mode === 'replace') ledger.removeAll();
  if (table.claim) takeIntervals(ledger, table, table.claim, columns);
  const { loaded, rejected, newer } = await loadChunks(db, {
    ...{ batch, mode, allowRejected, table, name, columns, ledger },
    nextChunk,
  });
  indexBatches(db, name);
  const { total, ofBatch } = ledger.countRows();
  if (mode === 'merge' && ofBatch < loaded) {
    throw new BadInput(
      `${formatTableName(table.to)}: ${loaded - ofBatch} of the source's rows have the same ${table.key.join(', ')} as another. Name a key that tells them apart`,
    );
  }
  checkNotOlder(table, newer);
  await ask({ is: 'verify', table: index, counts: { before, after: total, loaded, rejected, ofBatch } });
}

function takeIntervals(
  ledger: Ledger,
  table: OrderedTable,
  claim: Claim,
  columns: readonly FittedColumn[],
): void {
  const change = takeOver(ledger.intervals(), table.to, claim, ledger.batch);
  if (claim.force) ledger.removeRows(claim, fittedColumn(table, columns, table.cursor!).name);
  ledger.changeIntervals(change);
}

/** One piece is on its way while the one before it is loaded. */
async function* nextChunk(rows: () => number): AsyncGenerator<Uint8Array> {
  const next = (): Promise<Answer> => ask({ is: 'next', rows: rows() });
  let coming = next();
  for (;;) {
    const piece = await coming;
    if (!piece) return;
    coming = next();
    yield piece;
  }
}

/** One question at a time. */
async function ask(question: Question): Promise<Answer> {
  const answered = once(port, 'message') as Promise<[Answer]>;
  report(question);
  return (await answered)[0];
}
