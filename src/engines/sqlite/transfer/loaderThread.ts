/**
 * A load is much work for the processor, and SQLite does it where it is asked to. A thread of its own (`loader.ts`) leaves
 * this one, which is the whole worker's, its turns. Only this one has the staging area and the counts of the other hops, so
 * the thread asks for them.
 */
import { on } from 'node:events';
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { ownThread } from '../../../ownScript.js';
import type { Load, LoadCounts, LoadingTable } from '../../transferContract.js';
import type { PassedError } from './passedError.js';
import { unpackError } from './passedError.js';

/** Rows are garbage soon. Their heap is no larger than this; what is old has Node's own bound, because a row may be of any size. */
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
  const pieces = new Pieces(load);
  const failed = new AbortController();
  // A source may be silent for long, and the thread has found something, or died, meanwhile: no report waits for an answer.
  const answer = (coming: Promise<Answer | void>): void => {
    coming.then(
      (piece) => thread.postMessage(piece, piece ? [piece.buffer] : []),
      (error: unknown) => failed.abort(error),
    );
  };
  try {
    const stopped = AbortSignal.any([signal, failed.signal]);
    const reports = on(thread, 'message', { signal: stopped, close: ['exit'] });
    for await (const [report] of reports as AsyncIterable<[Report]>) {
      switch (report.is) {
        case 'next':
          load.onProgress(report.rows);
          answer(pieces.next());
          break;
        case 'verify':
          answer(load.verify(load.tables[report.table]!, report.counts));
          break;
        case 'failed':
          throw unpackError(report.error);
        case 'loaded':
          return;
      }
    }
    throw new Error(`${order.label}: the thread that loads has ended, and does not say why`);
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    pieces.letGo();
    await thread.terminate();
  }
}

/** The bytes of all chunks, one after the other, and nothing at the end of each. */
class Pieces {
  readonly #all: AsyncGenerator<Answer, undefined>;
  #open: Readable | undefined;
  #isLetGo = false;

  constructor(load: Load) {
    this.#all = this.#read(load);
  }

  async next(): Promise<Answer> {
    return (await this.#all.next()).value;
  }

  /** At once, whatever is still waited for. */
  letGo(): void {
    this.#isLetGo = true;
    this.#open?.destroy();
  }

  /** Copies, because what is sent to a thread is gone here, and a stream may use its memory again. */
  async *#read({ tables }: Load): AsyncGenerator<Answer, undefined> {
    for (const { open } of tables.flatMap(({ chunks }) => chunks)) {
      this.#open = await open();
      // It was opened when nobody wanted it any more.
      if (this.#isLetGo) this.#open.destroy();
      for await (const piece of this.#open) yield new Uint8Array(piece as Buffer);
      yield undefined;
    }
  }
}
