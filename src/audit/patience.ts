/** How long an audit store is waited for. */
import type { AuditStore } from '../engines/contract.js';

/** A store that takes longer for one commit is treated like one that does not answer; and how much of its own pace. */
const PATIENCE_MS = 5_000;
const PATIENCE_IN_GROUPS = 15;

export function patienceWith({ pace }: AuditStore): number {
  return Math.max(PATIENCE_MS, pace.groupMs * PATIENCE_IN_GROUPS);
}

export function noAnswer(ms: number): Error {
  return new Error(`it has not answered for ${ms / 1_000} s`);
}

/** Whether the work ended in time. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  return Promise.race([work.then(() => true), timeout]).finally(() => clearTimeout(timer));
}
