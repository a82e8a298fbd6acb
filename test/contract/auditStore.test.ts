/** What every audit store must do; SQLite is the one that exists. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRun, recordLive } from '../../src/audit/ledger.js';
import type { PipelineEvent, RunStart } from '../../src/domain/model.js';
import { NO_COUNTS } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';

const NOW = '2026-03-29T00:59:59.999Z';

let folder: string;
let url: string;
const stores: AuditStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-store-'));
  url = `sqlite:${folder}`;
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function openStore(): Promise<AuditStore> {
  const store = await (await engineFor(url, 'url')).openAuditStore({ url });
  stores.push(store);
  await store.migrate();
  return store;
}

function runStart(RunID: string, more: Partial<RunStart> = {}): RunStart {
  return {
    Namespace: 'default',
    WorkflowID: `workflow of ${RunID}`,
    RunID,
    OriginalRunID: RunID,
    PipelineName: 'Pipeline',
    WorkflowType: 'load',
    TaskQueue: 'etl',
    StartTime: NOW,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    ...more,
  };
}

function event(LogID: number, EventID: string, more: Partial<PipelineEvent> = {}): PipelineEvent {
  return {
    ...NO_COUNTS,
    EventID,
    LogID,
    RunID: 'run',
    StepName: 'step',
    StepSequenceNum: 1,
    ActivityID: '1',
    Attempt: 1,
    EventType: 'success',
    EventTime: NOW,
    DurationMs: 5,
    Message: null,
    ErrorType: null,
    ErrorMessage: null,
    RetryStatus: null,
    NextRetryTime: null,
    AlertTriggered: false,
    Worker: 'worker',
    Witness: 'live',
    EventHash: null,
    ...more,
  };
}

const open = (store: AuditStore, start: RunStart) => store.transaction((tx) => openRun(tx, start, NOW));
const record = (store: AuditStore, events: PipelineEvent[]) =>
  store.transaction((tx) => recordLive(tx, events, NOW));
const read = (store: AuditStore, logID: number) => store.transaction((tx) => tx.readBatch(logID));

describe('opening', () => {
  it('gives one LogID when eight connections open the same run at once', async () => {
    const eight = await Promise.all(Array.from({ length: 8 }, openStore));
    const refs = await Promise.all(eight.map((store) => open(store, runStart('run'))));
    expect(new Set(refs.map(({ LogID }) => LogID)).size).toBe(1);
  });

  it('gives rising LogIDs, and never one twice, also when batches were deleted', async () => {
    const store = await openStore();
    const first = await open(store, runStart('a'));
    const second = await open(store, runStart('b'));
    expect(second.LogID).toBeGreaterThan(first.LogID);
    const db = new Database(join(folder, 'Audit.db'));
    db.exec('DELETE FROM PipelineRun; DELETE FROM PipelineLog');
    db.close();
    expect((await open(store, runStart('c'))).LogID).toBeGreaterThan(second.LogID);
  });

  it('links a run to its parent and to the run before it', async () => {
    const store = await openStore();
    const parent = await open(store, runStart('parent'));
    const child = await open(store, runStart('child', { parentRunID: 'parent', previousRunID: 'parent' }));
    const { batch } = (await read(store, child.LogID))!;
    expect([batch.ParentLogID, batch.PreviousLogID]).toEqual([parent.LogID, parent.LogID]);
  });

  it('continues the batch of a reset run, whichever of its runs comes first', async () => {
    const store = await openStore();
    const reset = { WorkflowID: 'w', OriginalRunID: 'first' };
    const second = await open(store, runStart('second', reset));
    const first = await open(store, runStart('first', { WorkflowID: 'w' }));
    expect(first.LogID).toBe(second.LogID);
    const { batch, runs } = (await read(store, first.LogID))!;
    expect(batch.RunID).toBe('second');
    expect(runs.map(({ RunID, Reason }) => `${RunID} ${Reason}`).sort()).toEqual([
      'first start',
      'second reset',
    ]);
  });
});

describe('events', () => {
  it('written twice are there once', async () => {
    const store = await openStore();
    const { LogID } = await open(store, runStart('run'));
    await record(store, [event(LogID, 'e1', { EventType: 'start' })]);
    await record(store, [event(LogID, 'e1', { EventType: 'start' }), event(LogID, 'e2')]);
    await record(store, [event(LogID, 'e2')]);
    expect((await read(store, LogID))!.events.map(({ EventID }) => EventID)).toEqual(['e1', 'e2']);
  });

  it('keep counts up to 2^53 - 1 and any text exactly', async () => {
    const store = await openStore();
    const { LogID } = await open(store, runStart('run'));
    const odd = {
      RowsProcessed: Number.MAX_SAFE_INTEGER,
      RowsRejected: 0,
      Message: `'quoted' "😀" 漢字\r\n]; DROP TABLE PipelineEvent; --`,
      ErrorMessage: 'x'.repeat(5 * 1024 * 1024),
    };
    await record(store, [event(LogID, 'e1', odd)]);
    expect((await read(store, LogID))!.events[0]).toMatchObject({ ...odd, EventTime: NOW });
  });

  it('come 10,000 in one transaction', async () => {
    const store = await openStore();
    const { LogID } = await open(store, runStart('run'));
    await record(
      store,
      Array.from({ length: 10_000 }, (_, index) => event(LogID, `e${index}`)),
    );
    expect((await read(store, LogID))!.events).toHaveLength(10_000);
  });

  it('leave nothing half-written when their transaction dies', async () => {
    const store = await openStore();
    const { LogID } = await open(store, runStart('run'));
    const dying = store.transaction(async (tx) => {
      await tx.putEvents([event(LogID, 'e1')]);
      throw new Error('dies here');
    });
    await expect(dying).rejects.toThrow('dies here');
    expect((await read(store, LogID))!.events).toEqual([]);
  });
});

describe('a lock held by another process', () => {
  it('is waited for without holding up the event loop', async () => {
    const store = await openStore();
    const other = new Database(join(folder, 'Audit.db'));
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const turning = setInterval(() => turns++, 5);
    const opening = open(store, runStart('run'));
    await delay(200);
    other.exec('COMMIT');
    other.close();
    await opening;
    clearInterval(turning);
    expect(turns).toBeGreaterThan(10);
  });
});

describe('migrating', () => {
  it('by 20 processes at once leaves one result', async () => {
    const script = join(folder, 'migrate.ts');
    const engines = fileURLToPath(new URL('../../src/engines/index.ts', import.meta.url));
    writeFileSync(
      script,
      `import { engineFor } from ${JSON.stringify(engines)};
       const store = await (await engineFor(${JSON.stringify(url)}, 'url')).openAuditStore({ url: ${JSON.stringify(url)} });
       console.log(JSON.stringify(await store.migrate()));
       await store.close();`,
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const child = spawn(process.execPath, ['--import', 'jiti/register', script], { cwd: process.cwd() });
        let output = '';
        child.stdout.on('data', (text: Buffer) => (output += text.toString()));
        child.stderr.on('data', (text: Buffer) => (output += text.toString()));
        const [code] = (await once(child, 'close')) as [number];
        return `${code} ${output.trim()}`;
      }),
    );
    expect(answers.filter((answer) => answer === '0 [1]')).toHaveLength(1);
    expect(answers.filter((answer) => answer === '0 []')).toHaveLength(19);
  }, 120_000);

  it('refuses a schema that is newer than the code', async () => {
    const store = await openStore();
    const db = new Database(join(folder, 'Audit.db'));
    db.exec("INSERT INTO SchemaVersion VALUES (9999, 'future', 'now')");
    db.close();
    await expect(store.migrate()).rejects.toThrow(
      /has version 9999, this batchtrail knows up to 1\. Upgrade/,
    );
  });

  it('names the folder that can not be made, and the remedy', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const bad = `sqlite:${join(file, 'below')}`;
    const opening = engineFor(bad, 'url').then((engine) => engine.openAuditStore({ url: bad }));
    await expect(opening).rejects.toThrow(
      /The folder .*below can't be made \(ENOTDIR\)\. Give this user the right/,
    );
  });
});

describe('reading', () => {
  it('goes through a connection that can not write', async () => {
    await open(await openStore(), runStart('run'));
    const reader = await (await engineFor(url, 'url')).openAuditReader({ url });
    for (const sql of [
      'DELETE FROM Audit.PipelineLog',
      'CREATE TABLE x (y)',
      `ATTACH '${folder}/new.db' AS n`,
    ]) {
      await expect(reader.query(sql)).rejects.toThrow();
    }
    const { rows } = await reader.query(
      'SELECT LogID, Status FROM Audit.PipelineLog ORDER BY StartTime DESC',
    );
    expect(rows).toEqual([{ LogID: 1n, Status: 'Running' }]);
    expect(await reader.batches({ status: 'Success' })).toEqual([]);
    expect(await reader.batches({ pipeline: 'Pipeline' })).toHaveLength(1);
    await reader.close();
  });
});
