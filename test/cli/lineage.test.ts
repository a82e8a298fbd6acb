/** The commands that tell which batch wrote a row, where no worker is needed to show what they say. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engine } from '../../src/engines/sqlite/index.js';
import type { Lineage } from '../../src/cli/findLineage.js';
import { open, record, runHistory, settle } from '../contract/rows.js';
import { event, runStart } from '../support/rows.js';
import type { Ended } from './runCli.js';
import { runCli } from './runCli.js';

let folder: string;
let storeID: string;

/**
 * Batch 1 fails, and batch 2 is a replay of it that succeeds. Batch 3 wrote elsewhere. In the warehouse beside the audit
 * the ledger lists batch 2, batch 9, which was purged, and a batch 3 of another audit. Batch 10 is only a number.
 */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-lineage-'));
  const audit = await engine.openAuditStore({ url: `sqlite:${join(folder, '.batchtrail')}` });
  await audit.migrate();
  storeID = await audit.storeID();
  const start = (name: string, more = {}) => ({
    ...runStart({ PipelineName: name, WorkflowID: `sales/${name}`, RunID: `run-${name}` }),
    ...more,
  });
  const first = start('first');
  await open(audit, first);
  await settle(audit, [
    runHistory(first, { status: 'Error', error: { type: 'Error', message: 'the disk is full' } }),
  ]);
  const again = start('again', { replayedRunID: 'run-first' });
  await open(audit, again);
  await settle(audit, [runHistory(again)]);
  const elsewhere = start('elsewhere');
  const ref = await open(audit, elsewhere);
  await record(audit, [event(ref, { TargetSystem: 'postgres://far/away' })]);
  await settle(audit, [runHistory(elsewhere)]);
  await audit.close();
  inFile('.batchtrail/Audit', [
    `INSERT INTO Tombstone VALUES ('run-9', 9, 'root', 12, '2026-11-26T06:00:00.000Z')`,
  ]);

  inFile('.batchtrail/DWH', [
    `CREATE TABLE Fact_Sales (OrderID INTEGER, BatchID INTEGER);
     INSERT INTO Fact_Sales VALUES (10248, 2), (10249, 2), (10250, 9), (10251, NULL), (10252, 3)`,
    `CREATE TABLE Plain (OrderID INTEGER); CREATE TABLE Named (BatchID INTEGER); INSERT INTO Named VALUES (3), (10)`,
    `CREATE TABLE BatchLoad (StoreID TEXT, LogID INTEGER, RunID TEXT, TableName TEXT, Chunk INTEGER, Rows INTEGER);
     INSERT INTO BatchLoad VALUES ('${storeID}', 2, 'run-again', 'DWH.Fact_Sales', 0, 1), ('${storeID}', 2, 'run-again', 'DWH.Fact_Sales', 1, 2),
       ('${storeID}', 9, 'run-9', 'DWH.Fact_Sales', 0, 1), ('other', 3, 'run-3', 'DWH.Fact_Sales', 0, 1),
       ('${storeID}', 2, 'run-again', 'DWH.Dropped', 0, 5)`,
  ]);
  mkdirSync(join(folder, 'copy'));
  inFile('copy/DWH', ['CREATE TABLE Fact_Sales (OrderID INTEGER, BatchID INTEGER)']);
  writeFileSync(join(folder, 'copy', 'notes.db'), 'no database, whatever its name '.repeat(50));
  config('two.yaml', {
    dwh: { url: 'sqlite:.batchtrail' },
    copy: { url: 'sqlite:copy' },
    files: { url: 'file:files' },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

function inFile(name: string, statements: readonly string[]): void {
  const db = new Database(join(folder, `${name}.db`));
  for (const statement of statements) db.exec(statement);
  db.close();
}

function config(file: string, connections: object): void {
  writeFileSync(join(folder, file), JSON.stringify({ connections }));
}

const batchtrail = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  runCli(args, { cwd: folder, env });
const lineage = (where: string, ...more: string[]): Promise<Ended> =>
  batchtrail(['lineage', '--table', 'DWH.Fact_Sales', '--where', where, ...more]);

it('says which batch wrote a row, how it ended, what it replays, and where its run is', async () => {
  const { code, stdout, stderr } = await lineage('OrderID = 10248');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`1 row of DWH.Fact_Sales in audit (sqlite:.batchtrail), of 1 batch

Batch 2  again  Success
Rows      1
Known by  the target's ledger
Started   2026-03-29 00:59:59 UTC
Ended     2026-03-29 01:10:00 UTC, 10m 00s
Chain     1  Error  2026-03-29 00:59:59 UTC  replayed by batch 2
          2  Success  2026-03-29 00:59:59 UTC  replays batch 1  (this one)
Web UI    http://localhost:8233/namespaces/default/workflows/sales%2Fagain/run-again/history
`);
});

it('has no link where nobody said where the Web UI is', async () => {
  const args = ['lineage', '--table', 'DWH.Fact_Sales', '--where', 'OrderID = 10248'];
  const { stdout } = await batchtrail(args, { TEMPORAL_ADDRESS: 'temporal.example:7233' });
  expect(stdout).toContain(
    'Web UI    namespace default, workflow sales/again, run run-again. For a link set temporal.ui in the configuration\n',
  );
});

it('prints one JSON document, the newest batch first', async () => {
  const { stdout, stderr } = await lineage('1 = 1', '--json');
  expect(stderr).toBe('');
  const found = JSON.parse(stdout) as Lineage;
  expect(found).toMatchObject({ Connection: 'audit', Table: 'DWH.Fact_Sales', Rows: 5, BatchCount: 4 });
  expect(found.Batches).toMatchObject([
    {
      ...{ BatchID: 9, Rows: 1, Evidence: 'ledger', Batch: null, Chain: [], WebUI: null },
      Purged: { PurgedByLogID: 12, PurgedAt: '2026-11-26T06:00:00.000Z' },
    },
    { BatchID: 3, Rows: 1, Evidence: 'other-audit', OtherStoreIDs: ['other'], Batch: null, Purged: null },
    { BatchID: 2, Rows: 2, Evidence: 'ledger', Batch: { LogID: 2 }, Chain: [{ LogID: 1 }, { LogID: 2 }] },
    { BatchID: null, Rows: 1, Evidence: null, Batch: null },
  ]);
});

it('says so of a batch that was purged, of one of another audit, and of rows without one', async () => {
  const { stdout } = await lineage('OrderID > 10249');
  expect(stdout.split('\n\n').slice(1)).toEqual([
    `Batch 9\nRows      1\nKnown by  the target's ledger\nAudit     was purged by batch 12 at 2026-11-26T06:00:00.000Z`,
    `Batch 3\nRows      1\nKnown by  the target's ledger, as batch 3 of another audit (StoreID other)`,
    `Without a BatchID\nRows     1\nWritten  by no batch, or by one that did not say so\n`,
  ]);
  expect((await lineage('OrderID > 10249', '--limit', '1')).stdout).toMatch(
    /\n\n2 older batches more: see --limit\n$/,
  );
  expect((await lineage('OrderID = 1')).stdout).toBe(
    'No row of DWH.Fact_Sales in audit (sqlite:.batchtrail) matches\n',
  );
});

it('doubts a number that no ledger lists, when the batch says that it wrote elsewhere', async () => {
  const { stdout } = await batchtrail(['lineage', '--table', 'dwh.named', '--where', 'true']);
  expect(stdout).toContain(`Known by  its BatchID alone: no ledger lists it; only transfers keep one
But       this batch says that it wrote to postgres://far/away\n`);
  expect((await batchtrail(['rows', '3'])).stdout).toContain(
    "the target's ledger, as batch 3 of another audit (StoreID other)",
  );
  expect((await batchtrail(['rows', '3'])).stdout).not.toContain('DWH.Named');
  expect((await batchtrail(['rows', '3', '--connection', 'audit'])).stdout).toContain('DWH.Named');
});

it('lists what a batch wrote, as the ledger has it, with what is left', async () => {
  const { stdout } = await batchtrail(['rows', '2']);
  const [, table] = stdout.split('\n\n');
  expect(table!.split('\n')).toEqual([
    'Connection  Table           Loaded  There  Run        Note',
    'audit       DWH.Dropped          5         run-again  the table is gone, or has no BatchID any more',
    'audit       DWH.Fact_Sales       3      2  run-again  1 made room for rows of later batches, or were deleted',
    '',
  ]);
  expect((await batchtrail(['rows', '1'])).stdout).toContain(
    'No ledger lists this batch, and no table has rows of it, in audit (sqlite:.batchtrail)\n',
  );
  expect((await batchtrail(['rows', '9'])).stdout).toMatch(
    /^Batch 9\nAudit {2}was purged by batch 12 at 2026-11-26T06:00:00.000Z\n\n.*\naudit +DWH.Fact_Sales +1 +1 +run-9\n$/,
  );
  expect((await batchtrail(['rows', '10'])).stdout).toContain(
    'Batch 10\nAudit  not in this audit, and no purge has removed it\n',
  );
  const unknown = await batchtrail(['rows', '77']);
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toBe(
    'batchtrail: There is no batch 77. See: batchtrail batches. There are no rows of it in audit (sqlite:.batchtrail)\n',
  );
});

it('asks for a connection where several have the table, and only there', async () => {
  const withTwo = (...args: string[]): Promise<Ended> => batchtrail(['--config', 'two.yaml', ...args]);
  const ask = (table: string, ...more: string[]): Promise<Ended> =>
    withTwo('lineage', '--table', table, '--where', '1 = 1', ...more);
  const { code, stderr } = await ask('DWH.Fact_Sales');
  expect(code).toBe(1);
  expect(stderr).toBe(
    'batchtrail: DWH.Fact_Sales is in dwh (sqlite:.batchtrail) and in copy (sqlite:copy). Name one of them with --connection\n',
  );
  expect((await ask('DWH.Fact_Sales', '--connection', 'dwh')).stdout).toMatch(/^5 rows of .* in dwh /);
  expect((await ask('DWH.Named')).stdout).toMatch(/^2 rows of DWH.Named in dwh /);
  expect((await ask('DWH.Fact_Sales', '--connection', 'files')).stderr).toBe(
    'batchtrail: The connection files is no database, so no batch has written rows to it\n',
  );
  expect((await ask('DWH.Fact_Sales', '--connection', 'nope')).stderr).toBe(
    'batchtrail: There is no connection "nope". The configuration has: audit, dwh, copy, files\n',
  );
});

it('says what to do about a table that is not there, or has no BatchID', async () => {
  const ask = async (table: string): Promise<string> =>
    (await batchtrail(['lineage', '--table', table, '--where', '1 = 1'])).stderr;
  expect(await ask('DWH.Nope')).toBe(
    'batchtrail: There is no table DWH.Nope in audit (sqlite:.batchtrail), or this user may not read it. Tables with a BatchID: DWH.Fact_Sales, DWH.Named\n',
  );
  expect(await ask('DWH.Plain')).toBe(
    "batchtrail: DWH.Plain of audit (sqlite:.batchtrail) has no column BatchID with numbers, so its rows don't say which batch wrote them\n",
  );
  expect(await ask('Plain')).toContain('is not a table name');
});

it('does not guess where a connection can not be looked at', async () => {
  config('broken.yaml', {
    dwh: { url: 'sqlite:.batchtrail' },
    erp: { url: 'postgres://u:secret@127.0.0.1:1/x' },
  });
  const { code, stderr } = await batchtrail(['--config', 'broken.yaml', 'rows', '2']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^batchtrail: The connection erp can't be looked at: postgres:.*--connection\n$/);
  expect(stderr).not.toContain('secret');
});
