import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How often work is done again after this error at the most. */
  retriesAfter(error: unknown): number;
}

/** Does work again after errors that may pass. */
export async function retried<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await work();
    } catch (error) {
      if (retries >= patience.retriesAfter(error)) throw error;
      await pause(retries, patience);
    }
  }
}

/** Longer each time, and with jitter, so that two which met do not meet again. */
export async function pause(
  retries: number,
  { firstPauseMs, longestPauseMs }: Omit<Patience, 'retriesAfter'>,
): Promise<void> {
  await delay(Math.random() * Math.min(firstPauseMs * 2 ** retries, longestPauseMs));
}
