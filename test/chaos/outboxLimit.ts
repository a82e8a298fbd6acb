/**
 * A worker's outbox that has no room, as on a full disk. SQLite's `max_page_count` holds for one connection, so it is the
 * worker process that does this, when the driver sends it `fillOutbox` and `drainOutbox`.
 */
import Database from 'better-sqlite3';

export type OutboxMessage = 'fillOutbox' | 'drainOutbox';

/** SQLite's own limit. */
const MOST_PAGES = 4_294_967_294;

/** To be called before the outbox is opened: its connection belongs to the plugin, which shows it to nobody. */
export function limitOutbox(file: string): (message: OutboxMessage) => void {
  const connections = new Set<Database.Database>();
  const { pragma } = Database.prototype;
  Database.prototype.pragma = function (this: Database.Database, ...args: Parameters<typeof pragma>) {
    if (this.name === file) connections.add(this);
    return pragma.apply(this, args);
  };
  return (message) => {
    for (const outbox of connections) {
      if (!outbox.open) continue;
      const pages = message === 'fillOutbox' ? outbox.pragma('page_count', { simple: true }) : MOST_PAGES;
      outbox.pragma(`max_page_count = ${Number(pages)}`);
    }
  };
}
