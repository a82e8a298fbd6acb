/** The ready-made pipelines in a worker with the plugin, against a real Temporal server and real files. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type { NativeConnection } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeNorthwind, northwindScripts } from '../../src/dev/northwind.js';
import type { BatchRecord } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { LOAD_PATIENCE_MS } from '../../src/engines/sqlite/transfer/openForLoad.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import { connectClient, connectWorker } from '../support/temporal.js';

type ScheduledActivity = temporal.api.history.v1.IActivityTaskScheduledEventAttributes;
type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

const taskQueue = `elt-${randomUUID()}`;
const PASSWORD = 'Sup3rSecret';

let folder: string;
/** Audit, Staging and DWH are files of one folder, as in the documentation. */
let lake: string;
let client: Client;
let connection: NativeConnection;
let worker: Worker;
let running: Promise<void>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-'));
  lake = join(folder, 'lake');
  for (const path of [lake, join(folder, 'scripts')]) mkdirSync(path);
  await makeNorthwind(join(folder, 'northwind'));
  const plugin = new BatchtrailPlugin({
    audit: { url: `sqlite:${lake}` },
    connections: {
      northwind: { url: `sqlite:${join(folder, 'northwind')}` },
      dwh: { url: `sqlite:${lake}`, scripts: northwindScripts },
      own: { url: `sqlite:${lake}`, scripts: join(folder, 'scripts') },
      elsewhere: { url: `mystery://sa:${PASSWORD}@host/db` },
      files: { url: `file:${folder}` },
    },
  });
  client = await connectClient();
  connection = await connectWorker();
  worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url)),
    plugins: [plugin],
    // An activity hears of its cancellation when it sends a heartbeat.
    maxHeartbeatThrottleInterval: 200,
  });
  running = worker.run();
  await vi.waitUntil(() => worker.getState() === 'RUNNING', 30_000);
});

afterAll(async () => {
  worker?.shutdown();
  await running;
  await connection?.close();
  await client?.connection.close();
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly workflowId: string;
  readonly runId: string;
}

async function start(type: string, ...args: unknown[]): Promise<Run> {
  const workflowId = `${type}-${randomUUID()}`;
  const handle = await client.workflow.start(type, { taskQueue, workflowId, args });
  return { workflowId, runId: handle.firstExecutionRunId };
}

function resultOf({ workflowId, runId }: Run): Promise<unknown> {
  return client.workflow.getHandle(workflowId, runId).result();
}

/** The activity of that type that waits or is at work; undefined when there is none. */
async function pending({ workflowId, runId }: Run, type: string): Promise<PendingActivity | undefined> {
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
  return raw.pendingActivities?.find(({ activityType }) => activityType?.name === type);
}

/** Whether all extractions are at their load, which is when they tell of rows. */
async function areLoading({ workflowId, runId }: Run): Promise<boolean> {
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
  const steps = raw.pendingActivities ?? [];
  const isLoading = ({ heartbeatDetails }: PendingActivity): boolean =>
    heartbeatDetails?.payloads?.some(
      (told) => defaultPayloadConverter.fromPayload<{ rows?: number } | null>(told)?.rows === 0,
    ) ?? false;
  return steps.length > 0 && steps.every(isLoading);
}

/** What a failed run says to people. */
async function failureOf(run: Run): Promise<ApplicationFailure> {
  const error = await resultOf(run).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  const failure = cause instanceof ActivityFailure ? cause.cause : cause;
  expect(failure).toBeInstanceOf(ApplicationFailure);
  return failure as ApplicationFailure;
}

/** Reads the audit. A reader sees the files that are there when it is opened, so each gets its own. */
async function reading<T>(work: (audit: AuditReader) => Promise<T>): Promise<T> {
  const audit = await engine.openAuditReader({ url: `sqlite:${lake}` });
  try {
    return await work(audit);
  } finally {
    await audit.close();
  }
}

/** The audit of a batch that has ended. */
async function batchOf({ runId }: Run): Promise<BatchRecord> {
  return reading((audit) =>
    vi.waitUntil(
      async () => {
        const found = await audit.query(`SELECT LogID FROM PipelineRun WHERE RunID = '${runId}'`);
        const record = await audit.batch(Number(found.rows[0]?.LogID ?? 0));
        return record?.runs.find(({ RunID }) => RunID === runId)?.EndTime ? record : undefined;
      },
      { timeout: 15_000 },
    ),
  );
}

function database(path: string): Database.Database {
  return new Database(join(folder, path), { timeout: 5_000 });
}

const NORTHWIND = {
  pipeline: 'Sales',
  source: 'northwind',
  target: 'dwh',
  tables: [
    { from: 'dbo.Orders', to: 'Staging.stg_Orders' },
    { from: 'dbo.[Order Details]', to: 'Staging.stg_OrderDetails' },
  ],
  transform: 'DWH.TransformSales',
  countTable: 'DWH.Fact_Sales',
};

describe('northwindSalesElt', () => {
  it('needs no input, and every fact leads to its batch', async () => {
    const run = await start('northwindSalesElt');
    expect(await resultOf(run)).toEqual({ rowsProcessed: 830 });

    const { batch, events } = await batchOf(run);
    expect(batch).toMatchObject({
      PipelineName: 'Northwind_Sales_ELT',
      Status: 'Success',
      RowsProcessed: 830,
      RecordCountBefore: 0,
      RecordCountAfter: 830,
      SourceSystem: expect.stringContaining('sqlite:northwind') as unknown,
      CustomMessage: 'DWH.Fact_Sales has 830 rows, 830 of them of this batch',
    });
    const steps = events
      .filter(({ EventType }) => EventType === 'success')
      .map(({ StepName, RowsProcessed, SourceSystem, TargetSystem }) =>
        [StepName, RowsProcessed, SourceSystem, TargetSystem].join(' '),
      )
      .sort();
    const db = database('northwind/dbo.db');
    const lines = db.prepare('SELECT count(*) FROM [Order Details]').pluck().get() as number;
    db.close();
    expect(steps).toEqual([
      'countRows 830  sqlite:lake',
      `extractTable ${lines} sqlite:northwind sqlite:lake`,
      'extractTable 830 sqlite:northwind sqlite:lake',
      `runTransform ${830 + lines} sqlite:lake sqlite:lake`,
    ]);

    const lineage = await reading((audit) =>
      audit.query(
        `SELECT F.OrderID, F.CustomerName, F.TotalAmount, A.StartTime AS LoadedAt, A.Status
       FROM DWH.Fact_Sales F JOIN Audit.PipelineLog A ON F.BatchID = A.LogID WHERE A.RunID = '${run.runId}'`,
      ),
    );
    expect(lineage.rows).toHaveLength(830);
    expect(lineage.rows.every(({ CustomerName }) => /^[A-Z]+$/.test(String(CustomerName)))).toBe(true);
  });

  it('takes other names', async () => {
    const run = await start('northwindSalesElt', { pipeline: 'Nightly', source: 'northwind', target: 'dwh' });
    expect(await resultOf(run)).toEqual({ rowsProcessed: 830 });
    expect((await batchOf(run)).batch.PipelineName).toBe('Nightly');
  });

  it.each([
    [
      { from: 'x' },
      'northwindSalesElt input has the unknown key "from". Known keys: pipeline, source, target',
    ],
    [{ source: 5 }, 'northwindSalesElt input.source must be a text, not 5'],
    ['dwh', 'northwindSalesElt input must be an object with pipeline, source, target, not "dwh"'],
  ])('refuses %j', async (input, message) => {
    const failure = await failureOf(await start('northwindSalesElt', input));
    expect(failure).toMatchObject({ type: 'BadInput', nonRetryable: true, message });
  });
});

describe('elt', () => {
  it('loads tables with any names and values', async () => {
    const source = database('northwind/Größe.db');
    source.exec(`CREATE TABLE "]; DROP TABLE Orders; --" ("it's" INTEGER, "名" TEXT);
      INSERT INTO "]; DROP TABLE Orders; --" VALUES (9007199254740993, '注文'), (2, '🚚')`);
    source.close();
    writeFileSync(
      join(folder, 'scripts', 'Mart.Load.sql'),
      `CREATE TABLE IF NOT EXISTS Mart.[Loaded rows] (id INTEGER, name TEXT, BatchID INTEGER);
       INSERT INTO Mart.[Loaded rows] SELECT "it's", "名", @CurrentBatchID FROM Staging."a'b" WHERE BatchID = @CurrentBatchID`,
    );
    const run = await start('elt', {
      pipeline: 'Odd names',
      source: 'northwind',
      target: 'own',
      tables: [{ from: 'Größe.[]]; DROP TABLE Orders; --]', to: `Staging."a'b"` }],
      transform: 'Mart.Load',
      countTable: 'Mart.[Loaded rows]',
    });
    expect(await resultOf(run)).toEqual({ rowsProcessed: 2 });
    const { batch } = await batchOf(run);
    expect(batch.PipelineName).toBe('Odd names');
    const mart = database('lake/Mart.db');
    expect(mart.prepare('SELECT * FROM [Loaded rows] ORDER BY id').raw().safeIntegers().all()).toEqual([
      [2n, '🚚', BigInt(batch.LogID)],
      [9_007_199_254_740_993n, '注文', BigInt(batch.LogID)],
    ]);
    mart.close();
    const orders = database('northwind/dbo.db');
    expect(orders.prepare('SELECT count(*) FROM Orders').pluck().get()).toBe(830);
    orders.close();
  });

  it('loads files', async () => {
    mkdirSync(join(folder, 'shop'));
    writeFileSync(join(folder, 'shop', 'customers.csv'), 'id,name\n1,"a, b"\n2,\n');
    writeFileSync(
      join(folder, 'scripts', 'Mart.LoadFiles.sql'),
      `CREATE TABLE IF NOT EXISTS Mart.Customers (id INTEGER, name TEXT, BatchID INTEGER);
       INSERT INTO Mart.Customers SELECT id, name, BatchID FROM Staging.Files WHERE BatchID = @CurrentBatchID`,
    );
    const run = await start('elt', {
      ...{ pipeline: 'Files', source: 'files', target: 'own', transform: 'Mart.LoadFiles' },
      tables: [{ from: 'shop.customers', to: 'Staging.Files' }],
      countTable: 'Mart.Customers',
    });
    expect(await resultOf(run)).toEqual({ rowsProcessed: 2 });
    const mart = database('lake/Mart.db');
    expect(mart.prepare('SELECT id, name FROM Customers ORDER BY id').raw().all()).toEqual([
      [1, 'a, b'],
      [2, null],
    ]);
    mart.close();
  });

  it('loads from a file into the same one, also when another program made it', async () => {
    const shop = database('lake/Shop.db');
    shop.exec('CREATE TABLE Orders (ID INTEGER); INSERT INTO Orders VALUES (1), (2)');
    shop.close();
    writeFileSync(
      join(folder, 'scripts', 'Shop.Count.sql'),
      'CREATE TABLE Shop.Counted AS SELECT count(*) AS n, @CurrentBatchID AS BatchID FROM Shop.stg_Orders',
    );
    const run = await start('elt', {
      ...{ pipeline: 'Shop', source: 'own', target: 'own', transform: 'Shop.Count' },
      tables: [{ from: 'Shop.Orders', to: 'Shop.stg_Orders' }],
      countTable: 'Shop.Counted',
    });
    expect(await resultOf(run)).toEqual({ rowsProcessed: 1 });
    const staged = database('lake/Shop.db');
    expect(staged.prepare('SELECT n FROM Counted').pluck().get()).toBe(2);
    staged.close();
  });

  const KEYS = 'pipeline, source, target, tables, transform, countTable';
  it.each<[string, unknown, string, string]>([
    ['no input', undefined, 'BadInput', `elt input must be an object with ${KEYS}, not nothing`],
    [
      'a missing key',
      { ...NORTHWIND, source: undefined },
      'BadInput',
      'elt input.source must be a text, not nothing',
    ],
    [
      'an extra key',
      { ...NORTHWIND, retries: 5 },
      'BadInput',
      `elt input has the unknown key "retries". Known keys: ${KEYS}`,
    ],
    [
      'a wrong type',
      { ...NORTHWIND, tables: [{ from: 5, to: 'Staging.a' }] },
      'BadInput',
      'elt input.tables[0].from must be a text, not 5',
    ],
    [
      'an injection',
      { ...NORTHWIND, countTable: 'DWH.Fact_Sales]; DROP TABLE Orders; --' },
      'BadInput',
      'elt input.countTable: "DWH.Fact_Sales]; DROP TABLE Orders; --" is not a table name. ' +
        'Write schema.table, and put a part with blanks or signs in brackets: dbo.[Order Details]',
    ],
    [
      'a URL with a password for a table',
      { ...NORTHWIND, transform: `mssql://sa:hidden@host` },
      'BadInput',
      'elt input.transform: "mssql://sa:***@host" is not a table name. ' +
        'Write schema.table, and put a part with blanks or signs in brackets: dbo.[Order Details]',
    ],
    [
      'an unknown connection',
      { ...NORTHWIND, source: 'erp' },
      'BadInput',
      'There is no connection "erp". This worker\'s connections: northwind, dwh, own, elsewhere, files. ' +
        "Name one of them, or add it under connections in the worker's configuration",
    ],
    [
      'a connection of an object',
      { ...NORTHWIND, target: 'constructor' },
      'BadInput',
      'There is no connection "constructor". This worker\'s connections: northwind, dwh, own, elsewhere, files. ' +
        "Name one of them, or add it under connections in the worker's configuration",
    ],
    [
      'an unknown table',
      { ...NORTHWIND, tables: [{ from: 'dbo.Oders', to: 'Staging.a' }] },
      'NotFound',
      'There is no table dbo.Oders in sqlite:northwind. Tables in dbo: dbo.[Order Details], dbo.Orders',
    ],
    [
      "a staging table in the audit's schema",
      { ...NORTHWIND, tables: [{ from: 'dbo.Orders', to: 'audit.PipelineLog' }] },
      'BadInput',
      "A pipeline can't write to the schema audit: Audit and outbox are the audit trail's, main and temp are SQLite's. " +
        'Use another one, such as Staging or DWH',
    ],
    [
      'a target that runs no transforms',
      { ...NORTHWIND, target: 'files' },
      'BadConfig',
      "connections.files.url: file: can't be the target of the pipeline elt, because it runs no transforms. Use a transfer",
    ],
    [
      'a schema that is a path',
      { ...NORTHWIND, tables: [{ from: '[../lake/Audit].PipelineLog', to: 'Staging.a' }] },
      'BadInput',
      'The schema name "../lake/Audit" can\'t be a file name. Use letters, digits and _',
    ],
  ])('fails at once on %s', async (_, input, type, message) => {
    const run = await start('elt', input);
    expect(await failureOf(run)).toMatchObject({ type, message });
    const { batch, events } = await batchOf(run);
    expect(batch).toMatchObject({
      Status: 'Error',
      ErrorMessage: expect.stringContaining(message) as unknown,
    });
    expect(events.filter(({ Attempt }) => Attempt !== null && Attempt > 1)).toEqual([]);
  });

  it("fails at once on a staging table that is somebody's own, and leaves it as it is", async () => {
    const source = database('northwind/dbo.db');
    source.exec('CREATE TABLE Customers (ID INTEGER)');
    source.close();
    const staging = database('lake/Staging.db');
    staging.exec('CREATE TABLE Customers (ID INTEGER); INSERT INTO Customers VALUES (1)');
    const run = await start('elt', {
      ...NORTHWIND,
      tables: [{ from: 'dbo.Customers', to: 'Staging.Customers' }],
    });
    expect(await failureOf(run)).toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining('Staging.Customers exists and has no column BatchID') as unknown,
    });
    expect(staging.prepare('SELECT * FROM Customers').raw().all()).toEqual([[1]]);
    staging.close();
  });

  it('fails at once on a row that the staging table refuses, also while there is more to read', async () => {
    const source = database('northwind/dbo.db');
    source.exec(`CREATE TABLE Many (ID INTEGER);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO Many SELECT i FROM n`);
    source.close();
    const staging = database('lake/Staging.db');
    staging.exec('CREATE TABLE stg_Many (ID INTEGER CHECK (ID <> 5), BatchID INTEGER)');
    staging.close();
    const tables = [{ from: 'dbo.Many', to: 'Staging.stg_Many' }];
    const run = await start('elt', { ...NORTHWIND, tables });
    expect(await failureOf(run)).toMatchObject({
      type: 'RowsRejected',
      message: expect.stringContaining('Staging.stg_Many: the target refuses row 5 of chunk 0') as unknown,
    });
  });

  it('fails at once on a transform that is not there, and names the file', async () => {
    const run = await start('elt', { ...NORTHWIND, transform: 'DWH.Missing' });
    expect(await failureOf(run)).toMatchObject({
      type: 'NotFound',
      message: `There is no file ${join(northwindScripts, 'DWH.Missing.sql')}. Put the transform's SQL there, or correct its name`,
    });
  });

  it('shows the password of a connection nowhere', async () => {
    const run = await start('elt', { ...NORTHWIND, source: 'elsewhere' });
    const failure = await failureOf(run);
    expect(failure).toMatchObject({
      type: 'BadConfig',
      message: expect.stringContaining(
        'connections.elsewhere.url: no engine for "mystery://sa:***@host/db"',
      ) as unknown,
    });
    const history = await client.workflow.getHandle(run.workflowId).fetchHistory();
    expect(readable(history)).toContain('mystery://sa:***@host/db');
    expect(readable(history)).not.toContain(PASSWORD);
    expect(JSON.stringify(await batchOf(run))).not.toContain(PASSWORD);
  });

  it('tries again while the warehouse is locked', async () => {
    await resultOf(await start('elt', NORTHWIND));
    const other = database('lake/DWH.db');
    other.exec('BEGIN IMMEDIATE');
    const run = await start('elt', NORTHWIND);
    await vi.waitUntil(async () => (await pending(run, 'runTransform'))?.lastFailure, 60_000);
    other.exec('ROLLBACK');
    other.close();
    expect(await resultOf(run)).toEqual({ rowsProcessed: 830 });
    const { events } = await batchOf(run);
    expect(events.find(({ EventType }) => EventType === 'retry')).toMatchObject({
      StepName: 'runTransform',
      ErrorMessage: expect.stringContaining('sqlite:lake: DWH is locked by another connection') as unknown,
    });
  });

  it('stops the other extractions when one fails', async () => {
    await resultOf(await start('elt', NORTHWIND));
    const other = database('lake/Staging.db');
    other.exec('BEGIN IMMEDIATE');
    const tables = [NORTHWIND.tables[0], { from: 'dbo.Gone', to: 'Staging.stg_Gone' }];
    const run = await start('elt', { ...NORTHWIND, tables });
    const failure = await failureOf(run);
    other.exec('ROLLBACK');
    other.close();
    expect(failure).toMatchObject({ type: 'NotFound' });
    const ends = (await batchOf(run)).events.filter(({ EventType }) => EventType !== 'start');
    expect(ends.map(({ EventType }) => EventType).sort()).toEqual(['cancelled', 'failure']);
  });

  it('gives an extraction more time than it waits for other loads into its file', async () => {
    const run = await start('elt', NORTHWIND);
    await resultOf(run);
    const { startToCloseTimeout } = await scheduled('extractTable', run);
    // For the file's log, to begin, and to commit.
    expect(Number(startToCloseTimeout!.seconds) * 1_000).toBeGreaterThan(3 * LOAD_PATIENCE_MS);
  });

  it('ends as cancelled when it is cancelled', async () => {
    await resultOf(await start('elt', NORTHWIND));
    const other = database('lake/Staging.db');
    other.exec('BEGIN IMMEDIATE');
    const run = await start('elt', NORTHWIND);
    await vi.waitUntil(() => areLoading(run), 60_000);
    await client.workflow.getHandle(run.workflowId).cancel();
    await expect(resultOf(run)).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    other.exec('ROLLBACK');
    other.close();
    expect((await batchOf(run)).batch.Status).toBe('Cancelled');
  });

  it('extracts again in place of what it had extracted, and leaves what others have', async () => {
    const [other, run] = [await start('elt', NORTHWIND), await start('elt', NORTHWIND)];
    await Promise.all([resultOf(other), resultOf(run)]);
    const after = await resetTo('extractTable', run);
    expect(await resultOf(after)).toEqual({ rowsProcessed: 830 });
    const [{ batch: kept }, { batch }] = [await batchOf(other), await batchOf(after)];
    const staging = database('lake/Staging.db');
    const rows = staging.prepare(
      'SELECT count(*), count(DISTINCT OrderID) FROM stg_Orders WHERE BatchID = ?',
    );
    const ledger = staging.prepare(
      "SELECT RunID, Rows, Staging FROM BatchLoad WHERE LogID = ? AND TableName = 'Staging.stg_Orders'",
    );
    expect([kept, batch].map(({ LogID }) => rows.raw().get(LogID))).toEqual([[830, 830], [830, 830]]); // prettier-ignore
    expect(ledger.raw().all(batch.LogID)).toEqual([[after.runId, 830, 1]]);
    staging.close();
  });

  it('goes on after a reset with the rows that were extracted before it', async () => {
    const run = await start('elt', NORTHWIND);
    await resultOf(run);
    const { batch } = await batchOf(run);
    const after = await resetTo('runTransform', run);
    expect(await resultOf(after)).toEqual({ rowsProcessed: 830 });
    expect((await batchOf(after)).batch.LogID).toBe(batch.LogID);
  });

  it('says so when those rows were purged', async () => {
    const run = await start('elt', NORTHWIND);
    await resultOf(run);
    const { LogID } = (await batchOf(run)).batch;
    const staging = database('lake/Staging.db');
    staging.prepare('DELETE FROM stg_Orders WHERE BatchID = ?').run(LogID);
    staging.close();
    expect(await failureOf(await resetTo('runTransform', run))).toMatchObject({
      type: 'NotFound',
      message:
        `The staging rows of batch ${LogID} are gone: Staging.stg_Orders of sqlite:lake holds 0, and 830 were extracted. ` +
        'Start a new run, which extracts again',
    });
  });
});

/** A history as text, with its payloads. */
function readable(history: object): string {
  return JSON.stringify(history, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    return raw instanceof Uint8Array ? Buffer.from(raw).toString() : value;
  });
}

/** How this step was scheduled first. */
async function scheduled(step: string, run: Run): Promise<ScheduledActivity> {
  const { events } = await client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
  return events!
    .map(({ activityTaskScheduledEventAttributes: activity }) => activity)
    .find((activity) => activity?.activityType?.name === step)!;
}

/** Resets a run to the workflow task that first scheduled this step. */
async function resetTo(step: string, run: Run): Promise<Run> {
  const { workflowTaskCompletedEventId } = await scheduled(step, run);
  const { runId } = await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: run,
    requestId: randomUUID(),
    reason: 'test',
    workflowTaskFinishEventId: workflowTaskCompletedEventId ?? null,
  });
  return { workflowId: run.workflowId, runId };
}
