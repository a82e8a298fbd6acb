/** Fills an audit as years of work would, by the database's own means. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';

export const EVENTS_PER_BATCH = 10;
/** Batches are a minute apart, and a hundred pipelines take turns. */
export const FIRST_DAY = '2024-01-01';

/** `n` counts batches from 1, `k` a batch's events from 0. */
const BATCH = {
  LogID: 'n',
  PipelineName: "'pipeline ' || (n % 100)",
  Status: "CASE WHEN n % 50 = 0 THEN 'Error' ELSE 'Success' END",
  ErrorMessage: "CASE WHEN n % 50 = 0 THEN 'duplicate key in load ' || n END",
  Namespace: "'default'",
  WorkflowID: "'workflow-' || n",
  RunID: "'run-' || n",
  OriginalRunID: "'run-' || n",
  WorkflowType: "'load'",
  TaskQueue: "'etl'",
  RowsProcessed: 'n',
  DurationMs: '4000',
  Resolution: "CASE WHEN n % 500 = 0 THEN 'open' WHEN n % 50 = 0 THEN 'replayed' END",
};
const RUN = { RunID: "'run-' || n", LogID: 'n', Reason: "'start'", Status: "'Success'" };
const EVENT = {
  EventID: "'event-' || n || '-' || k",
  LogID: 'n',
  RunID: "'run-' || n",
  StepName: "'load table ' || (k / 2)",
  StepSequenceNum: 'k / 2 + 1',
  ActivityID: 'k / 2 + 1',
  Attempt: '1',
  EventType: "CASE WHEN k % 2 = 0 THEN 'start' ELSE 'success' END",
  Worker: "'4711@etl-worker-1'",
  Witness: "'both'",
};

function insert(table: string, columns: Record<string, string>, source: string): string {
  return `INSERT INTO ${table} (${Object.keys(columns).join(', ')}) SELECT ${Object.values(columns).join(', ')} FROM ${source}`;
}

export const FILLS: Record<string, (url: string, batches: number) => Promise<void>> = {
  async sqlite(url, batches) {
    const db = new Database(join(url.slice('sqlite:'.length), 'Audit.db'));
    const time = (seconds: string): string =>
      `strftime('%Y-%m-%dT%H:%M:%fZ', '${FIRST_DAY}', '+' || (${seconds}) || ' seconds')`;
    const numbers = `(WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ${batches}) SELECT n FROM numbers)`;
    db.exec('BEGIN');
    db.exec(
      insert('PipelineLog', { ...BATCH, StartTime: time('n * 60'), EndTime: time('n * 60 + 4') }, numbers),
    );
    db.exec(
      insert('PipelineRun', { ...RUN, StartTime: time('n * 60'), CertifiedAt: time('n * 60 + 5') }, numbers),
    );
    const tens = `${numbers}, (SELECT value AS k FROM json_each('[0,1,2,3,4,5,6,7,8,9]'))`;
    db.exec(
      insert(
        'PipelineEvent',
        { ...EVENT, ActivityID: 'CAST(k / 2 + 1 AS TEXT)', EventTime: time('n * 60 + k / 3') },
        tens,
      ),
    );
    db.exec('COMMIT');
    db.exec('ANALYZE');
    db.close();
  },
  async postgres(url, batches) {
    const client = new pg.Client(url);
    await client.connect();
    const time = (seconds: string): string =>
      `'${FIRST_DAY}'::timestamptz + (${seconds}) * interval '1 second'`;
    const numbers = `generate_series(1, ${batches}) AS n`;
    const log = insert(
      'audit.PipelineLog',
      { ...BATCH, StartTime: time('n * 60'), EndTime: time('n * 60 + 4') },
      numbers,
    );
    await client.query(log.replace(') SELECT', ') OVERRIDING SYSTEM VALUE SELECT'));
    await client.query(
      insert(
        'audit.PipelineRun',
        { ...RUN, StartTime: time('n * 60'), CertifiedAt: time('n * 60 + 5') },
        numbers,
      ),
    );
    await client.query(
      insert(
        'audit.PipelineEvent',
        { ...EVENT, ActivityID: '(k / 2 + 1)::text', EventTime: time('n * 60 + k / 3') },
        `${numbers}, generate_series(0, ${EVENTS_PER_BATCH - 1}) AS k`,
      ),
    );
    await client.query('VACUUM ANALYZE');
    await client.end();
  },
};
