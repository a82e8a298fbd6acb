/**
 * Activities that go on when they have given their slot back: they keep something open for other steps, and those need the
 * slots. For who waits for them and for the audit they end as all others do. A pause or a reset does not end them.
 */
import type { Context } from '@temporalio/activity';
import { CompleteAsyncError } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ActivityCancelledError, ActivityNotFoundError } from '@temporalio/client';
import { CancelledFailure, ensureApplicationFailure } from '@temporalio/common';
import { isCancellation } from './attemptEnd.js';

/** The answer to a beat says that the activity is cancelled, so that is known after this time. */
const BEAT_MS = 1_000;
/** A worker that shuts down waits no longer for a Temporal that does not answer. */
const ANSWER_MS = 10_000;

/** What an activity throws to go on with `work`, whose end is its own. */
export class GoesOn extends CompleteAsyncError {
  /** The signal ends with a reason as the SDK gives it: CANCELLED, NOT_FOUND or WORKER_SHUTDOWN. */
  constructor(readonly work: (signal: AbortSignal) => Promise<unknown>) {
    super();
  }
}

interface Going {
  readonly client: Client;
  readonly ending: AbortController;
  readonly reported: Promise<void>;
}

export class OutsideSlots {
  readonly #going = new Set<Going>();

  /** Returns at once. While `work` is under way Temporal is told so, and its end when that has come. */
  goOn(context: Context, work: (signal: AbortSignal) => Promise<unknown>): void {
    const { client } = context;
    const ending = new AbortController();
    const reported = goOnAndReport(context, ending, work).finally(() => this.#going.delete(going));
    const going: Going = { client, ending, reported };
    this.#going.add(going);
  }

  /** A worker has shut down: what goes on of its activities is ended, and Temporal knows it when this returns. */
  async end(client: Client): Promise<void> {
    const its = [...this.#going].filter((going) => going.client === client);
    for (const { ending } of its) ending.abort(new CancelledFailure('WORKER_SHUTDOWN'));
    await Promise.all(its.map(({ reported }) => reported));
  }
}

async function goOnAndReport(
  { client, info: { taskToken }, log }: Context,
  ending: AbortController,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const { activity } = client;
  const tell = (message: () => Promise<void>): Promise<void> =>
    client.withDeadline(Date.now() + ANSWER_MS, message);
  const tellFailure = (error: unknown): Promise<void> =>
    tell(() =>
      isCancellation(error, ending.signal)
        ? activity.reportCancellation(taskToken)
        : activity.fail(taskToken, ensureApplicationFailure(error)),
    );
  const beat = (): void =>
    void tell(() => activity.heartbeat(taskToken)).catch((error: unknown) => {
      if (error instanceof ActivityCancelledError) ending.abort(new CancelledFailure('CANCELLED'));
      // Its run has ended, or it was given up.
      if (error instanceof ActivityNotFoundError) ending.abort(new CancelledFailure('NOT_FOUND'));
      // Whatever else it is may pass; if not, Temporal misses the beats.
    });
  const beating = setInterval(beat, BEAT_MS);
  try {
    await work(ending.signal).then((result) => tell(() => activity.complete(taskToken, result)), tellFailure);
  } catch (error) {
    if (!(error instanceof ActivityNotFoundError))
      log.warn('Temporal could not be told how an activity ended', { error });
  } finally {
    clearInterval(beating);
  }
}
