/**
 * Activities that go on when they have given their slot back: they keep something open for other steps, and those need the
 * slots. For who waits for them and for the audit they end as all others do. A pause or a reset does not end them.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '@temporalio/activity';
import { CompleteAsyncError } from '@temporalio/activity';
import type { AsyncCompletionClient, Client } from '@temporalio/client';
import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import { CancelledFailure, ensureApplicationFailure } from '@temporalio/common';
import type { Worker } from '@temporalio/worker';
import type { BatchRef } from '../domain/model.js';
import { isCancellation } from './attemptEnd.js';
import { workerName } from './auditor.js';

/**
 * The answer to a beat says that the activity is cancelled, and whoever waits for that waits for the next beat: a twentieth
 * of the time that it has gone on, because each beat costs Temporal something.
 */
const LEAST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;
const PAUSE_SHARE = 1 / 20;
/** So that one beat which is lost does not cost the activity its heartbeat timeout. */
const BEAT_ANSWER_MS = 3_000;
/** A worker that shuts down waits no longer for a Temporal that does not answer. */
const ANSWER_MS = 10_000;

/** Ends soon after its signal: a worker that shuts down waits for it. */
type Work = (signal: AbortSignal) => Promise<unknown>;

/** What an activity throws to go on with `work`, whose end is its own. */
export class GoesOn extends CompleteAsyncError {
  /** The signal ends with a reason as the SDK gives it: CANCELLED, NOT_FOUND or WORKER_SHUTDOWN. */
  constructor(readonly work: Work) {
    super();
  }
}

interface Going {
  readonly worker: Worker | undefined;
  readonly ending: AbortController;
  readonly reported: Promise<void>;
}

export class OutsideSlots {
  readonly #workers = new Set<Worker>();
  readonly #going = new Set<Going>();

  /** Called before it takes any. */
  workerStarts(worker: Worker): void {
    this.#workers.add(worker);
  }

  /** Returns at once. While `work` is under way Temporal is told so, and its end when that has come. */
  goOn(context: Context, batch: BatchRef, work: Work): void {
    const worker = this.#workerOf(context);
    // The connection may be replaced meanwhile, and the one that it began with closed.
    const client = (): Client => worker?.client ?? context.client;
    const ending = new AbortController();
    const reported = goOnAndReport(context, client, batch, ending, work).finally(() =>
      this.#going.delete(going),
    );
    const going: Going = { worker, ending, reported };
    this.#going.add(going);
  }

  /** In a unit test's environment there is none. */
  #workerOf({ info }: Context): Worker | undefined {
    return [...this.#workers].find(({ options }) => workerName(options) === workerName(info));
  }

  /** Called when it has shut down. When this returns its activities have ended, and Temporal knows it or does not answer. */
  async workerStopped(worker: Worker): Promise<void> {
    const its = [...this.#going].filter((going) => going.worker === worker);
    for (const { ending } of its) ending.abort(new CancelledFailure('WORKER_SHUTDOWN'));
    await Promise.all(its.map(({ reported }) => reported));
    this.#workers.delete(worker);
  }
}

async function goOnAndReport(
  { info: { taskToken }, log }: Context,
  client: () => Client,
  { LogID, WorkflowID, RunID }: BatchRef,
  ending: AbortController,
  work: Work,
): Promise<void> {
  const tell = async (
    message: (to: AsyncCompletionClient) => Promise<void>,
    answerMs = ANSWER_MS,
  ): Promise<void> => {
    const current = client();
    await current.withDeadline(Date.now() + answerMs, () => message(current.activity));
  };
  const tellFailure = (error: unknown): Promise<void> =>
    tell((to) =>
      isCancellation(error, ending.signal)
        ? to.reportCancellation(taskToken)
        : to.fail(taskToken, ensureApplicationFailure(error)),
    );
  const beat = (): Promise<void> =>
    tell((to) => to.heartbeat(taskToken), BEAT_ANSWER_MS).catch((error: unknown) => {
      if (error instanceof ActivityCancelledError) ending.abort(new CancelledFailure('CANCELLED'));
      // Its run has ended, or it was given up.
      if (error instanceof ActivityNotFoundError) ending.abort(new CancelledFailure('NOT_FOUND'));
      // Whatever else it is may pass; if not, Temporal misses the beats.
    });
  const over = new AbortController();
  beatUntil(over.signal, beat).catch(() => undefined);
  try {
    await work(ending.signal).then((result) => tell((to) => to.complete(taskToken, result)), tellFailure);
  } catch (error) {
    if (!(error instanceof ActivityNotFoundError))
      log.warn('Temporal could not be told how an activity ended', { LogID, WorkflowID, RunID, error });
  } finally {
    over.abort();
  }
}

/** One after the other, until the signal ends. */
async function beatUntil(signal: AbortSignal, beat: () => Promise<void>): Promise<never> {
  const startedAt = performance.now();
  for (;;) {
    const share = (performance.now() - startedAt) * PAUSE_SHARE;
    await delay(Math.min(LONGEST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, share)), undefined, { signal });
    await beat();
  }
}
