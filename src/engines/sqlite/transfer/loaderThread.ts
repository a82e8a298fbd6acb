/**
 * A load is much work for the processor, and SQLite does it where it is asked to. A thread of its own (`loader.ts`) leaves
 * this one, which is the whole worker's, its turns. Only this one has the staging area and the counts of the other hops, so
 * the thread asks for them.
 */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ownThread } from '../../../ownScript.js';
import type { Load, LoadCounts, LoadingTable } from '../../transferContract.js';
import type { PassedError } from './passedError.js';
import { unpackError } from './passedError.js';

/** Rows are garbage soon. Their heap is no larger than this; what is old has no bound, because a row may be of any size. */
const YOUNG_MB = 8;

export interface Order extends Pick<Load, 'batch' | 'replaces' | 'mode' | 'allowRejected'> {
  readonly file: string;
  readonly label: string;
  readonly tables: readonly OrderedTable[];
}

export interface OrderedTable extends Omit<LoadingTable, 'chunks'> {
  /** How many. */
  readonly chunks: number;
}

/** For the next bytes of the chunks, one after the other; and whether the counts of a table are right. */
export type Question =
  | { readonly is: 'next'; readonly rows: number }
  | { readonly is: 'verify'; readonly table: number; readonly counts: LoadCounts };

/** Nothing at the end of a chunk, and when the counts are right. What is wrong here ends the thread. */
export type Answer = Uint8Array<ArrayBuffer> | undefined;

export type Report =
  Question | { readonly is: 'loaded' } | { readonly is: 'failed'; readonly error: PassedError };

/** The thread is gone when this ends, with its connection and its transaction. */
export async function loadInThread(order: Order, load: Load, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  load.onProgress(0);
  const { file, nodeArguments } = ownThread(new URL('./loader.js', import.meta.url));
  const thread = new Worker(file, {
    ...{ workerData: order, execArgv: nodeArguments },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const pieces = piecesOf(load);
  try {
    const reports = on(thread, 'message', { signal, close: ['exit'] });
    for await (const [report] of reports as AsyncIterable<[Report]>) {
      switch (report.is) {
        case 'next': {
          load.onProgress(report.rows);
          const piece: Answer = (await pieces.next()).value;
          thread.postMessage(piece, piece ? [piece.buffer] : []);
          break;
        }
        case 'verify':
          await load.verify(load.tables[report.table]!, report.counts);
          thread.postMessage(undefined);
          break;
        case 'failed':
          throw unpackError(report.error);
        case 'loaded':
          return;
      }
    }
    throw new Error(`${order.label}: the thread that loads has ended, and does not say why`);
  } finally {
    await Promise.all([pieces.return(undefined), thread.terminate()]);
  }
}

/** Copies, because what is sent to a thread is gone here, and a stream may use its memory again. */
async function* piecesOf({ tables }: Load): AsyncGenerator<Answer, undefined> {
  for (const { open } of tables.flatMap(({ chunks }) => chunks)) {
    for await (const piece of await open()) yield new Uint8Array(piece as Buffer);
    yield undefined;
  }
}
