/**
 * The place where a worker's outbox is made to have no room. SQLite's `max_page_count` holds for one connection, so it
 * is the worker process that must call this, when the driver sends it `fillOutbox` and `drainOutbox`.
 */

/** Why the plan leaves this fault out. */
export const OUTBOX_LIMIT_MISSING: string | undefined = 'src has no way yet to limit the size of an outbox';

export type OutboxMessage = 'fillOutbox' | 'drainOutbox';

/** Does nothing until src exports how. */
export function limitOutbox(_message: OutboxMessage): void {}
