/** Old batches are purged by the ready-made workflow, against a real Temporal server. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { BatchRecord } from '../../src/domain/model.js';
import { parseTableName } from '../../src/domain/table.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { said } from '../proof/foundBy.js';
import { stageRows } from '../support/stageRows.js';
import { isOlderThanASecond, PurgedQueue } from './purgedQueue.js';

let queue: PurgedQueue;

beforeAll(async () => {
  queue = await PurgedQueue.open();
});
afterAll(() => queue?.close());
beforeEach(() => queue.losesAnswersOf.clear());

const numbers = (records: readonly BatchRecord[]): number[] =>
  records.map(({ batch }) => batch.LogID).sort((a, b) => a - b);

it('removes what is old, over and not open, in a batch of its own, and all that remains still verifies', async () => {
  const goesOn = await queue.start('waits');
  const old = [await queue.run('oneStep'), await queue.run('oneStep')];
  const open = await queue.run('oneStep', [true]);
  const dismissed = await queue.run('oneStep', [true]);
  await queue.cli('dismiss', String(dismissed.batch.LogID), '--reason', 'it was announced');
  const digestBefore = (await queue.cli('digest')).stdout;

  const { result, record } = await queue.purge(dismissed);
  expect(result).toEqual({ rowsProcessed: 3, staged: { objects: 0, rows: 0 } });
  expect(record.batch).toMatchObject({
    ...{ Status: 'Success', RowsProcessed: 3, PipelineName: 'purgeAudit' },
  });
  expect(await queue.left([...old, open, dismissed])).toEqual(numbers([open]));
  const rows = queue.sql((db) =>
    ['PipelineEvent', 'PipelineRun', 'Alert'].map((table) =>
      db.prepare(`SELECT COUNT(*) FROM ${table} WHERE LogID = ?`).pluck().get(dismissed.batch.LogID),
    ),
  );
  expect(rows).toEqual([0, 0, 0]);

  const found = await queue.verify(digestBefore + (await queue.cli('digest')).stdout);
  expect(said(found)).toBe('');
  expect(found).toMatchObject({ ok: true, purged: 3, verdicts: { running: 1, certified: 2 } });

  // Temporal still has their histories, and nobody takes them for missing.
  expect(await queue.addMissing()).toMatchObject({ added: 0, failed: [] });
  const shown = await queue.cli('show', String(old[0]!.batch.LogID));
  const purged = new RegExp(`Batch ${old[0]!.batch.LogID} was purged by batch ${record.batch.LogID} at 20`);
  expect(shown.stderr).toMatch(purged);
  expect((await queue.cli('rows', String(old[0]!.batch.LogID))).stderr).toMatch(purged);
  expect((await queue.cli('replay', String(old[0]!.batch.LogID))).stdout).toMatch(purged);
  const dry = await queue.cli('replay', String(old[0]!.batch.LogID), '--dry-run');
  expect(dry.stdout.replace(/\s+/g, ' ')).toMatch(purged);

  await goesOn.signal('end');
  await queue.certified(goesOn);
  expect(said(await queue.verify(digestBefore))).toBe('');
});

it('is named, with the purge, where one that stays is linked to it', async () => {
  const failed = await queue.run('failsUntilReplayed');
  const { LogID, WorkflowID } = failed.batch;
  expect(await queue.cli('replay', String(LogID))).toMatchObject({ code: 0 });
  const again = await queue.certified({ workflowId: WorkflowID! });
  const { record } = await queue.purge(again, { keepFailed: true });
  expect(await queue.left([failed, again])).toEqual([LogID]);
  const [by, purge] = [again, record].map(({ batch }) => batch.LogID);
  const { stdout } = await queue.cli('rows', String(LogID));
  expect(stdout).toMatch(
    new RegExp(`\\nChain +${LogID} .*replayed by batch ${by} \\(was purged by batch ${purge} at 20.*Z\\)`),
  );
  const json = (await queue.cli('rows', String(LogID), '--json')).stdout;
  expect(JSON.parse(json)).toMatchObject({ PurgedLinks: [{ LogID: by, PurgedByLogID: purge }] });
});

it('takes no batch for deleted that was purged while verify compared the tables', async () => {
  let looks = 0;
  const strays = async () =>
    ++looks === 1
      ? [{ TableName: 'PipelineEvent' as const, LogID: 999_998, RowsFound: 2 }]
      : queue.reader.strays();
  const moving = new Proxy(queue.reader, {
    get: (reader, name: keyof AuditReader) => (name === 'strays' ? strays : reader[name].bind(reader)),
  });
  expect(said(await queue.verify('', moving))).toBe('');
  expect(looks).toBe(2);
});

it('can purge purges, whose tombstones still verify', async () => {
  const first = (await queue.purge(await queue.run('oneStep'))).record;
  const second = (await queue.purge(first)).record;
  expect(await queue.left([first, second])).toEqual(numbers([second]));
  expect(said(await queue.verify())).toBe('');
});

it('counts what it has purged once, also when its worker dies in between', async () => {
  const old = [await queue.run('oneStep'), await queue.run('oneStep')];
  await queue.purge(old[0]!, { keepFailed: true });
  const more = [await queue.run('oneStep'), await queue.run('oneStep')];
  queue.losesAnswersOf.add('purgeBatches');
  const { result, record } = await queue.purge(more[1]!);
  expect(result.rowsProcessed).toBe(await queue.reader.countPurged(record.batch.LogID));
  expect(record.batch).toMatchObject({ RowsProcessed: result.rowsProcessed, RetryCount: 1 });
  expect(await queue.left([...old, ...more])).toEqual([]);
  expect(said(await queue.verify())).toBe('');
});

it('keeps failed ones where it is told to, and what an open one goes back to', async () => {
  const repaired = await queue.run('oneStep', [true]);
  await queue.cli('dismiss', String(repaired.batch.LogID), '--reason', 'repaired by hand');
  const grandparent = await queue.run('parentOf', [2]);
  const [open] = await queue.reader.batches({ open: true, pipeline: 'parentOf' });
  const line = await queue.reader.records([open!.LogID, open!.ParentLogID!]);
  expect(line.map(({ batch }) => batch.ParentLogID)).toContain(grandparent.batch.LogID);
  const all = [repaired, grandparent, ...line];
  await queue.purge(grandparent, { keepFailed: true, keepOpen: true });
  expect(await queue.left(all)).toEqual(numbers(all));
  await queue.purge(grandparent, { keepOpen: true });
  expect(await queue.left(all)).toEqual(numbers([grandparent, ...line]));
  await queue.purge(grandparent);
  expect(await queue.left(all)).toEqual([open!.LogID]);
});

it('leaves a batch that differs from its seal, and names it', async () => {
  const altered = await queue.run('oneStep');
  const { LogID } = altered.batch;
  const edit = (rows: number): void =>
    queue.sql(
      (db) =>
        void db.exec(
          `UPDATE PipelineEvent SET RowsProcessed = ${rows} WHERE LogID = ${LogID} AND EventType = 'success'`,
        ),
    );
  edit(4);
  const { record } = await queue.purge(altered);
  expect(await queue.left([altered])).toEqual([LogID]);
  const warning = record.events.find(({ StepName }) => StepName === 'kept');
  expect(warning).toMatchObject({ EventType: 'warning' });
  expect(warning!.Message).toMatch(new RegExp(`^batch ${LogID} stays: event .* differs from its hash`));
  edit(3);
  await queue.purge(altered);
  expect(await queue.left([altered])).toEqual([]);
});

it('removes what purged batches have staged, and nothing of others', async () => {
  const open = await queue.run('oneStep', [true]);
  const old = await queue.run('oneStep');
  const storeID = await queue.reader.storeID();
  const staged = (store: string, { batch }: BatchRecord): string => {
    const file = join(queue.staging, store, String(batch.LogID), '1.orders', 'a-00001.csv.gz');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'rows');
    return file;
  };
  const [ofOld, ofOpen, ofOther] = [staged(storeID, old), staged(storeID, open), staged('other', old)];
  const warehouse = await engine.openWarehouse({ url: queue.dwh, signal: new AbortController().signal });
  const name = 'Staging.stg_Orders';
  const loaded = await queue.run('oneStep');
  const stage = (store: string, logID: number): Promise<void> =>
    stageRows(warehouse, name, { storeID: store, logID }, [1, 2]);
  await stage(storeID, old.batch.LogID);
  await stage(storeID, open.batch.LogID);
  await stage('other', 999_999);
  // Both audits count from 1, and somebody emptied the table in between.
  const shared = await queue.run('oneStep');
  await stage(storeID, shared.batch.LogID);
  const file = new Database(join(queue.folder, 'dwh', 'Staging.db'));
  file.prepare('DELETE FROM stg_Orders WHERE BatchID = ?').run(shared.batch.LogID);
  file.close();
  await stage('other', shared.batch.LogID);
  // What a transfer has loaded is no staging row.
  await stageRows(warehouse, name, { storeID, logID: loaded.batch.LogID }, [1, 2], false);

  const { result } = await queue.purge(shared);
  expect(await queue.left([old, shared, loaded])).toEqual([]);
  expect(result.staged).toEqual({ objects: 1, rows: 2 });
  expect([ofOld, ofOpen, ofOther].map((file) => existsSync(file))).toEqual([false, true, true]);
  const { ofBatch, total } = await warehouse.count(parseTableName(name, 'table'), open.batch.LogID);
  expect([ofBatch, total]).toEqual([2, 8]);
  await warehouse.close();
});

it('by the command line says what would go, by pipeline, and then goes', async () => {
  const old = [await queue.run('oneStep'), await queue.run('oneStep')];
  await isOlderThanASecond(old[1]!.batch.EndTime!);
  const dry = await queue.cli('purge', '--older-than', '1s', '--dry-run', '--json');
  const said = JSON.parse(dry.stdout) as { batches: number; events: number; pipelines: unknown[] };
  expect(said.pipelines).toContainEqual(
    expect.objectContaining({ PipelineName: 'oneStep', Batches: 2, Events: 4 }) as object,
  );
  const text = (await queue.cli('purge', '--older-than', '1s', '--dry-run')).stdout;
  expect(text).toMatch(/^PipelineName +Batches +Events +Oldest\n/);
  expect(text).toMatch(/\noneStep +2 +4 +20/);
  expect(text).toMatch(/\n\d+ batches with \d+ events ended before 20\S+ and would be purged\n$/);
  expect(await queue.left(old)).toEqual(numbers(old));

  const purged = await queue.cli('purge', '--older-than', '1s');
  expect(purged.stderr).toBe('');
  expect(purged.stdout).toMatch(/^\d+ batches purged\n\d+ staged objects and \d+ staging rows removed\n$/);
  expect(await queue.left(old)).toEqual([]);
  expect((await queue.cli('purge', '--older-than', '1d', '--dry-run')).stdout).toMatch(/^0 batches/);
});

it('refuses what is no age', async () => {
  const handle = await queue.start('purgeAudit', [{ olderThan: 30 }]);
  const reason = await handle.result().then(
    () => '',
    (error: WorkflowFailedError) => error.cause?.message,
  );
  expect(reason).toBe('purgeAudit input.olderThan must be a duration, as 30m, 1h30m or 7d, not 30');
  expect(await queue.cli('purge', '--older-than', 'soon')).toMatchObject({ code: 2 });
  expect(await queue.cli('purge')).toMatchObject({ code: 2 });
});
