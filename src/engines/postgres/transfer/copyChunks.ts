/** Staged chunks into a table by COPY, as they are. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { RowsRejected } from '../../../domain/errors.js';
import { formatTableName } from '../../../domain/table.js';
import { csvRows } from '../../shared/csvReader.js';
import type { Field } from '../../shared/csvWriter.js';
import { rowText } from '../../shared/csvWriter.js';
import type { Load, LoadingTable } from '../../transferContract.js';
import type { Ledger } from './ledger.js';
import { isAboutRow, reasonOf } from './refusedRow.js';
import type { Session } from './session.js';

interface ChunkCopy {
  readonly load: Load;
  readonly table: LoadingTable;
  readonly ledger: Ledger;
  /** Table and columns. */
  readonly into: string;
}

const BUFFER_BYTES = 256 * 1024;
/** Rows that are tried together, where some of them are refused. */
const BLOCK_ROWS = 1_000;

export async function copyChunks(
  session: Session,
  copy: ChunkCopy,
): Promise<{ loaded: number; rejected: number }> {
  const { load, table, ledger } = copy;
  const counts = { loaded: 0, rejected: 0 };
  for (const [chunk, { open }] of table.chunks.entries()) {
    const { loaded, rejected } = load.allowRejected
      ? await copyWhatIsTaken(session, copy, chunk)
      : { loaded: await copyAll(session, copy, await open()), rejected: 0 };
    await ledger.add(chunk, loaded);
    counts.loaded += loaded;
    counts.rejected += rejected;
    load.onProgress(counts.loaded);
  }
  return counts;
}

async function copyAll(session: Session, { table, into }: ChunkCopy, rows: Readable): Promise<number> {
  try {
    return await copyFrom(session, into, rows);
  } catch (error) {
    if (!isAboutRow(error)) throw error;
    throw new RowsRejected(
      `${formatTableName(table.to)}: the target refuses a row: ${reasonOf(error)}. ` +
        'Mend the row or the table; a transfer with allowRejected leaves such rows out and keeps them in batchrejected',
      { cause: error },
    );
  }
}

async function copyFrom({ client, copy }: Session, into: string, rows: Readable): Promise<number> {
  const stream = client.query(
    copy.from(`COPY ${into} FROM STDIN (FORMAT csv, ENCODING 'UTF8')`, { highWaterMark: BUFFER_BYTES }),
  );
  await pipeline(rows, stream);
  return stream.rowCount;
}

/** As a whole where that works, else in blocks, and those in halves, until the rows that are refused are found. */
async function copyWhatIsTaken(
  session: Session,
  copy: ChunkCopy,
  chunk: number,
): Promise<{ loaded: number; rejected: number }> {
  const open = (): Promise<Readable> => copy.table.chunks[chunk]!.open();
  const whole = await tried(session, async () => copyFrom(session, copy.into, await open()));
  if (typeof whole === 'number') return { loaded: whole, rejected: 0 };
  const counts = { loaded: 0, rejected: 0 };
  let row = 0;
  for await (const block of csvRows(await open())) {
    for (let from = 0; from < block.length; from += BLOCK_ROWS) {
      await copyBlock(block.slice(from, from + BLOCK_ROWS), row + 1);
      row += Math.min(BLOCK_ROWS, block.length - from);
    }
    copy.load.onProgress(row);
  }
  return counts;

  async function copyBlock(rows: readonly Field[][], firstRow: number): Promise<void> {
    const text = rows.map(rowText).join('');
    const result = await tried(session, () =>
      copyFrom(session, copy.into, Readable.from([Buffer.from(text)])),
    );
    if (typeof result === 'number') {
      counts.loaded += result;
    } else if (rows.length === 1) {
      await copy.ledger.keepRejected({
        ...{ chunk, row: firstRow, content: text },
        reason: reasonOf(result),
      });
      counts.rejected++;
    } else {
      const half = Math.ceil(rows.length / 2);
      await copyBlock(rows.slice(0, half), firstRow);
      await copyBlock(rows.slice(half), firstRow + half);
    }
  }
}

/** What the work answers, or why a row was refused; the transaction goes on either way. */
async function tried(session: Session, work: () => Promise<number>): Promise<number | pg.DatabaseError> {
  await session.run('SAVEPOINT batchtrail');
  try {
    const result = await work();
    await session.run('RELEASE SAVEPOINT batchtrail');
    return result;
  } catch (error) {
    if (!isAboutRow(error)) throw error;
    await session.run('ROLLBACK TO SAVEPOINT batchtrail');
    return error;
  }
}
