/** Calls to a Temporal server that may be down just now. */
import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';

const PAUSE_MS = 100;

/** gRPC's words for "not now": CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE. */
const PASSING = [1, 2, 4, 8, 10, 13, 14];

/** Asks again until the server answers; an answer that says no is thrown. */
export async function persistently<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** For what comes too late when the run is over already: such a no is fine. */
export async function ifStillPossible(call: () => Promise<unknown>): Promise<void> {
  try {
    await persistently(call);
  } catch (error) {
    if (!(error instanceof Error) || !NO.test(error.name)) throw error;
  }
}

const NO = /^(WorkflowNotFoundError|ServiceError)$/;

function isPassing(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return PASSING.includes(Number(cause.code));
  }
  return false;
}

/** Waits until `look` says yes, at most so long. Answers whether it did. */
export async function eventually(look: () => Promise<boolean>, mostMs: number): Promise<boolean> {
  const deadline = Date.now() + mostMs;
  for (;;) {
    if (await look()) return true;
    if (Date.now() > deadline) return false;
    await delay(PAUSE_MS);
  }
}
