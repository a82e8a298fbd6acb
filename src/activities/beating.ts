import { cancellationSignal, heartbeat } from '@temporalio/activity';

const BEAT_MS = 2_000;

export interface Beat {
  /** Ends when the activity is cancelled. */
  readonly signal: AbortSignal;
  /** What the next heartbeats say. */
  readonly report: (details: object) => void;
}

/** Tells Temporal that this worker is alive while `work` runs, and how far it has come; cancellation comes back with it. */
export async function beating<T>(work: (beat: Beat) => Promise<T>): Promise<T> {
  let progress: object | undefined;
  const beat = (): void => heartbeat(progress);
  beat();
  const timer = setInterval(beat, BEAT_MS);
  const signal = cancellationSignal();
  try {
    return await work({
      signal,
      report: (details) => {
        progress = details;
      },
    });
  } catch (error) {
    // What a cancellation cuts off fails in ways of its own: a connection that is closed, a stream that ends too early.
    throw signal.aborted ? (signal.reason as Error) : error;
  } finally {
    clearInterval(timer);
  }
}
