/** The least that an engine could take: the same rows through the bare driver, in one prepared multi-row insert. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { PIPELINE_EVENT_COLUMNS } from '../../src/domain/columns.js';
import type { PipelineEvent } from '../../src/domain/model.js';

export interface Floor {
  /** Inserts the events by one statement, which commits. */
  insert(events: readonly PipelineEvent[]): Promise<void>;
  close(): Promise<void>;
}

export const SCHEMA = 'Bench';

export const FLOORS: Record<string, (url: string) => Promise<Floor>> = {
  async sqlite(url) {
    const db = new Database(join(url.slice('sqlite:'.length), `${SCHEMA}.db`));
    db.pragma('synchronous = FULL');
    const statements = new Map<number, Database.Statement>();
    return {
      async insert(events) {
        let statement = statements.get(events.length);
        if (!statement) {
          statement = db.prepare(insertOf('PipelineEvent', events.length, () => '?'));
          statements.set(events.length, statement);
        }
        statement.run(valuesOf(events).map((value) => (typeof value === 'boolean' ? Number(value) : value)));
      },
      async close() {
        db.close();
      },
    };
  },
  async postgres(url) {
    const client = new pg.Client(url);
    await client.connect();
    return {
      async insert(events) {
        await client.query({
          name: `floor-${events.length}`,
          text: insertOf(`${SCHEMA}.PipelineEvent`, events.length, (position) => `$${position}`),
          values: valuesOf(events),
        });
      },
      close: () => client.end(),
    };
  },
};

function insertOf(table: string, rows: number, placeholder: (position: number) => string): string {
  const width = PIPELINE_EVENT_COLUMNS.length;
  const row = (index: number): string =>
    `(${PIPELINE_EVENT_COLUMNS.map((_, column) => placeholder(index * width + column + 1)).join(', ')})`;
  return `INSERT INTO ${table} (${PIPELINE_EVENT_COLUMNS.join(', ')}) VALUES ${Array.from({ length: rows }, (_, index) => row(index)).join(', ')}`;
}

function valuesOf(events: readonly PipelineEvent[]): unknown[] {
  return events.flatMap((event) => PIPELINE_EVENT_COLUMNS.map((column) => event[column]));
}
