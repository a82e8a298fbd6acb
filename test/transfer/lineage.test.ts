/** Which batch wrote a row, and what a batch wrote, asked about real transfers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lineage } from '../../src/cli/findLineage.js';
import { findLineage } from '../../src/cli/findLineage.js';
import type { WrittenRows } from '../../src/cli/findRows.js';
import { findRows } from '../../src/cli/findRows.js';
import { loadConfig } from '../../src/config.js';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayOutcome } from '../../src/domain/replay.js';
import { parseTableName } from '../../src/domain/table.js';
import type { Ended } from '../cli/runCli.js';
import { runCli } from '../cli/runCli.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';
import { startSnowflake } from '../endpoints/snowflake.js';
import { MssqlServer, mssqlUrl } from './mssqlServer.js';
import { OWN_PLACES, Rig } from './rig.js';
import { SnowflakeClient } from './snowflakeClient.js';

const postgres = await ifPossible(startPostgres({ fsync: false }), 'Lineage on PostgreSQL');
const snowflake = await ifPossible(startSnowflake(), 'Lineage on Snowflake');
const sqlServerUrl = mssqlUrl('Lineage on SQL Server');
const sqlServer = sqlServerUrl === undefined ? undefined : await MssqlServer.open(sqlServerUrl);

interface Target {
  readonly connection: string;
  readonly schema: string;
  readonly isThere: boolean;
}
const TARGETS: Record<string, Target> = {
  SQLite: { connection: 'target', schema: 'DWH', isThere: true },
  PostgreSQL: { connection: 'pg', schema: 'dwh', isThere: postgres !== undefined },
  Snowflake: { connection: 'snow', schema: 'RAW', isThere: snowflake !== undefined },
  'SQL Server': {
    connection: 'mssql',
    schema: sqlServer?.newSchema('Ln') ?? '',
    isThere: sqlServer !== undefined,
  },
};
const there = Object.entries(TARGETS).filter(([, { isThere }]) => isThere);

let rig: Rig;

beforeAll(async () => {
  await inPostgres('CREATE SCHEMA dwh');
  await inSnowflake('CREATE SCHEMA RAW');
  rig = await Rig.open((folder) => ({
    ...(postgres ? { pg: { url: postgres.url } } : {}),
    ...(snowflake ? { snow: { url: snowflake.url } } : {}),
    ...(sqlServerUrl ? { mssql: { url: sqlServerUrl } } : {}),
    scripted: { url: `sqlite:${join(folder, 'target')}`, scripts: join(folder, 'scripts') },
  }));
  const { scripted: _, ...connections } = rig.connections;
  for (const [file, audit] of [
    ['batchtrail.yaml', 'audit'],
    ['other.yaml', 'other'],
  ]) {
    const config = {
      audit: { url: `sqlite:${join(rig.folder, audit!)}` },
      connections,
      temporal: { ui: 'http://temporal.test/' },
    };
    writeFileSync(join(rig.folder, file!), JSON.stringify(config));
  }
  source(`CREATE TABLE sales (id INTEGER PRIMARY KEY, amount INTEGER);
    INSERT INTO sales VALUES (1, 10), (2, 20), (3, 30)`);
  // Another audit, which counts from 1, too, has loaded a table of its own in each target.
  await rig.stopWorker();
  await rig.startWorker(rig.connections, 'other');
  for (const [, { connection, schema }] of there) {
    await rig.transfer(load(connection, 'sales', `${schema}.foreign_sales`));
  }
  await rig.stopWorker();
  await rig.startWorker(rig.connections);
});
afterAll(async () => {
  await rig?.close();
  await sqlServer?.close();
  await Promise.all([postgres?.stop(), snowflake?.stop()]);
});

async function inPostgres(text: string): Promise<void> {
  if (!postgres) return;
  const db = new pg.Client(postgres.url);
  await db.connect();
  await db.query(text);
  await db.end();
}

async function inSnowflake(text: string): Promise<void> {
  if (!snowflake) return;
  const db = await SnowflakeClient.open(snowflake.url);
  await db.run(text);
  await db.close();
}

function source(text: string): void {
  const file = rig.database('source/app');
  file.exec(text);
  file.close();
}

function load(target: string, from: string, to: string, more: object = {}): object {
  const { mode = 'append', ...ofTable } = more as { mode?: string };
  return { ...OWN_PLACES, target, mode, tables: [{ from: `app.${from}`, to, ...ofTable }] };
}

async function loaded(...[target, from, to, more]: Parameters<typeof load>): Promise<BatchRecord> {
  return rig.batchOf(await rig.start('historicalTransfer', load(target, from, to, more)));
}

function batchtrail(...args: string[]): Promise<Ended> {
  return runCli(args, { cwd: rig.folder });
}

function lineage(
  connection: string,
  table: string,
  where: string,
  config = 'batchtrail.yaml',
): Promise<Lineage> {
  const question = { connection, table: parseTableName(table, 'table'), where, limit: 20 };
  return findLineage(loadConfig(join(rig.folder, config), {}), question);
}

function rows(connection: string, { batch }: Pick<BatchRecord, 'batch'>): Promise<WrittenRows> {
  return findRows(loadConfig(join(rig.folder, 'batchtrail.yaml'), {}), batch.LogID, connection);
}

describe.each(there)(
  '%s',
  (_, { connection, schema }) => {
    const own = (name: string): string => `${schema}.${name}`;

    it('names the batch that wrote a row, and the chain of replays behind it', async () => {
      const late = `late_${connection}`;
      const failed = await loaded(connection, late, own('sales'));
      expect(failed.batch.Status).toBe('Error');
      source(`CREATE TABLE ${late} AS SELECT * FROM sales`);
      const replay = await rig.start('replayBatch', { batchId: failed.batch.LogID });
      const outcome = (await rig.resultOf(replay)) as ReplayOutcome;
      if ('refused' in outcome) throw new Error(outcome.refused);
      const again = await rig.batchOf(outcome);
      const { LogID, WorkflowID, RunID } = again.batch;

      expect(await lineage(connection, own('sales'), 'id = 2')).toMatchObject({
        ...{ Connection: connection, Rows: 1, BatchCount: 1 },
        Batches: [
          {
            ...{ BatchID: LogID, Rows: 1, Evidence: 'ledger', OtherStoreIDs: [] },
            Batch: { LogID, Status: 'Success', ReplayOfLogID: failed.batch.LogID },
            Chain: [
              { LogID: failed.batch.LogID, Resolution: 'replayed', ResolvedByLogID: LogID },
              { LogID, ReplayOfLogID: failed.batch.LogID },
            ],
            WebUI: `http://temporal.test/namespaces/default/workflows/${WorkflowID}/${RunID}/history`,
          },
        ],
      });
      const written = await rows(connection, again);
      expect(written.Chain.map((batch) => batch.LogID)).toEqual([failed.batch.LogID, LogID]);
      expect(written.Tables).toMatchObject([
        { RowsLoaded: 3, RowsThere: 3, RunIDs: [RunID], Evidence: 'ledger' },
      ]);
      expect((await rows(connection, failed)).Tables).toEqual([]);
    });

    it('tells how many rows are left of a batch when a later one has merged over them', async () => {
      const first = await loaded(connection, 'sales', own('merged'), { mode: 'merge' });
      const second = await loaded(connection, 'sales', own('merged'), { mode: 'merge', where: 'id = 2' });
      const found = await lineage(connection, own('merged'), 'id < 3');
      expect(found.Batches.map(({ BatchID, Rows }) => [BatchID, Rows])).toEqual([
        [second.batch.LogID, 1],
        [first.batch.LogID, 1],
      ]);
      expect((await rows(connection, first)).Tables).toMatchObject([{ RowsLoaded: 3, RowsThere: 2 }]);
      expect((await rows(connection, second)).Tables).toMatchObject([{ RowsLoaded: 1, RowsThere: 1 }]);
    });

    it("does not take another audit's batch for the one of ours with the same number", async () => {
      const [found] = (await lineage(connection, own('foreign_sales'), 'id = 1')).Batches;
      expect(await rig.reading((audit) => audit.batch(found!.BatchID!))).toBeDefined();
      expect(found).toMatchObject({ Evidence: 'other-audit', Batch: null, Chain: [] });
      expect(found!.OtherStoreIDs).toHaveLength(1);
      const other = await lineage(connection, own('foreign_sales'), 'id = 1', 'other.yaml');
      expect(other.Batches).toMatchObject([
        { BatchID: found!.BatchID, Evidence: 'ledger', Batch: { LogID: found!.BatchID } },
      ]);
    });

    it('finds tables whose names need quotes', async () => {
      const table = own('[Größe "a" of order]');
      const { batch } = await loaded(connection, 'sales', table);
      const found = await lineage(connection, table, 'id = 3');
      expect(found.Batches).toMatchObject([{ BatchID: batch.LogID, Rows: 1, Evidence: 'ledger' }]);
      expect((await rows(connection, { batch })).Tables).toMatchObject([
        { Table: expect.stringContaining('Größe "a" of order') as string, RowsLoaded: 3, RowsThere: 3 },
      ]);
    });

    it("runs a person's condition where it can change nothing, and passes on what the database says", async () => {
      await loaded(connection, 'sales', own('guarded'));
      const asked = (where: string): Promise<Ended> =>
        batchtrail('lineage', '--connection', connection, '--table', own('guarded'), '--where', where);
      const wrong = await asked('no_such_column = 1');
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toMatch(/^batchtrail: The database refused the statement: .*no_such_column/im);
      for (const where of [
        `1 = 1); DELETE FROM ${own('guarded')}; --`,
        `1 = 1) GROUP BY 1; COMMIT; DROP TABLE ${own('guarded')}; --`,
      ]) {
        expect((await asked(where)).code).toBe(1);
      }
      const all = await asked('1 = 1 -- all of them');
      expect(all.stdout).toMatch(/^3 rows of .*guarded/i);
    });
  },
  300_000,
);

describe.skipIf(!postgres)('PostgreSQL alone', () => {
  it('refuses a condition with an effect', async () => {
    await inPostgres('CREATE SEQUENCE dwh.numbers');
    const { code, stderr } = await batchtrail(
      ...['lineage', '--connection', 'pg', '--table', 'dwh.guarded'],
      ...['--where', "nextval('dwh.numbers') > 0"],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('read-only transaction');
  });
});

describe('elt, which keeps no ledger', () => {
  it('is told by the BatchID of its rows', async () => {
    mkdirSync(join(rig.folder, 'scripts'));
    writeFileSync(
      join(rig.folder, 'scripts', 'Mart.LoadSales.sql'),
      `CREATE TABLE IF NOT EXISTS Mart.Facts (id INTEGER PRIMARY KEY, amount INTEGER, BatchID INTEGER);
       INSERT OR REPLACE INTO Mart.Facts SELECT id, amount, BatchID FROM Stage.sales WHERE BatchID = @CurrentBatchID;`,
    );
    const input = {
      ...{ pipeline: 'Sales', source: 'source', target: 'scripted', countTable: 'Mart.Facts' },
      ...{ tables: [{ from: 'app.sales', to: 'Stage.sales' }], transform: 'Mart.LoadSales' },
    };
    const { batch } = await rig.batchOf(await rig.start('elt', input));
    expect((await lineage('target', 'Mart.Facts', 'id = 1')).Batches).toMatchObject([
      {
        BatchID: batch.LogID,
        Evidence: 'number',
        Batch: { PipelineName: 'Sales' },
        NamedTargets: ['sqlite:target'],
      },
    ]);
    const { Tables } = await rows('target', { batch });
    expect(Tables).toMatchObject([
      { Table: 'Mart.Facts', RowsLoaded: null, RowsThere: 3, Evidence: 'number' },
      { Table: 'Stage.sales', RowsLoaded: 3, RowsThere: 3, Evidence: 'ledger' },
    ]);
  });
});
