/** The rows of the audit, by SQL on the tables themselves. */
import Database from 'better-sqlite3';
import pg from 'pg';

export type AuditSource =
  { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string };

export interface BatchRow {
  readonly LogID: number;
  readonly RunID: string | null;
  readonly OriginalRunID: string | null;
  readonly WorkflowID: string | null;
  readonly Status: string;
}

export interface RunRow {
  readonly RunID: string;
  readonly LogID: number;
  readonly Status: string;
  readonly CertifiedAt: unknown;
  readonly GapCount: number | null;
}

export interface EventRow {
  readonly LogID: number;
  readonly RunID: string;
  readonly ActivityID: string | null;
  readonly Attempt: number | null;
  readonly EventType: string;
  readonly EventTime: string | Date;
  readonly Message: string | null;
  readonly Worker: string | null;
  readonly Witness: 'live' | 'history' | 'both';
}

export interface AuditRows {
  readonly batches: readonly BatchRow[];
  readonly runs: readonly RunRow[];
  readonly events: readonly EventRow[];
}

type Select = (table: string, columns: readonly string[]) => Promise<unknown[]>;

export async function readAudit(source: AuditSource): Promise<AuditRows> {
  return withSelect(source, async (select) => ({
    batches: (await select('PipelineLog', [
      ...['LogID', 'RunID', 'OriginalRunID', 'WorkflowID', 'Status'],
    ])) as BatchRow[],
    runs: (await select('PipelineRun', [...['RunID', 'LogID', 'Status', 'CertifiedAt', 'GapCount']])).map(
      (row) => withNumber(row as RunRow, 'GapCount'),
    ),
    events: (await select('PipelineEvent', [
      ...[
        'LogID',
        'RunID',
        'ActivityID',
        'Attempt',
        'EventType',
        'EventTime',
        'Message',
        'Worker',
        'Witness',
      ],
    ])) as EventRow[],
  }));
}

/** Whether each of these runs has its row, and nothing waits for its end any more. */
export async function isSettled(
  source: AuditSource,
  expected: ReadonlyArray<{ readonly RunID: string }>,
): Promise<boolean> {
  return withSelect(source, async (select) => {
    const batches = (await select('PipelineLog', ['Status'])) as BatchRow[];
    const runs = (await select('PipelineRun', ['RunID', 'Status', 'CertifiedAt'])) as RunRow[];
    const known = new Set(runs.map(({ RunID }) => RunID));
    return (
      expected.every(({ RunID }) => known.has(RunID)) &&
      batches.every(({ Status }) => Status !== 'Running') &&
      runs.every(({ Status, CertifiedAt }) => Status !== 'Running' && CertifiedAt !== null)
    );
  });
}

async function withSelect<T>(source: AuditSource, work: (select: Select) => Promise<T>): Promise<T> {
  if (source.kind === 'sqlite') {
    const db = new Database(source.file, { readonly: true });
    try {
      return await work(async (table, columns) =>
        db.prepare(`SELECT ${columns.join(', ')} FROM ${table}`).all(),
      );
    } finally {
      db.close();
    }
  }
  const client = new pg.Client(source.url);
  await client.connect();
  try {
    return await work(async (table, columns) => {
      // PostgreSQL has the names in lower case.
      const named = columns.map((column) => `${column} AS "${column}"`).join(', ');
      return (await client.query<Record<string, unknown>>(`SELECT ${named} FROM Audit.${table}`)).rows;
    });
  } finally {
    await client.end();
  }
}

/** PostgreSQL's driver gives a bigint as text. */
function withNumber<T extends object>(row: T, column: keyof T): T {
  return { ...row, [column]: row[column] === null ? null : Number(row[column]) };
}
