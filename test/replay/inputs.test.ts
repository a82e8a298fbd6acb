/** What the audit keeps of inputs, and what it does for a replay when Temporal has erased a history. */
import { createHash, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import { verifyAudit } from '../../src/audit/verifyAudit.js';
import type { PlannedReplay } from '../../src/cli/planReplay.js';
import type { BatchRecord } from '../../src/domain/model.js';
import { runCli } from '../cli/runCli.js';
import { temporalAddress } from '../support/temporal.js';
import { Rig } from './rig.js';

const DUE = new Date('2026-11-01T06:00:00Z');
const containing = (part: string) => expect.stringContaining(part) as string;

const forgetful = new Rig();
const keeping = new Rig({ inputs: { keep: true, redact: ['shoe-size'] } });

/** Failed batches, and what Temporal knows of them is erased. */
const files = { plain: `größer als "früher" ${randomUUID()}`, due: randomUUID(), changed: randomUUID() };
const secrets = { name: randomUUID(), shoeSize: 43, api_key: 'K-1', at: 'https://ada:pw-1@host/x' };
let unkept: BatchRecord & { file: string };
const kept = {} as Record<'plain' | 'due' | 'secret' | 'changed' | 'long', BatchRecord>;

beforeAll(async () => {
  await forgetful.open();
  await keeping.open();
  unkept = await forgetful.failedBatch();
  for (const file of [...Object.values(files), secrets.name]) keeping.broken.add(`load ${file}`);
  kept.plain = await keeping.play('twoSteps', files.plain);
  kept.due = await scheduled(files.due);
  kept.secret = await keeping.play('loadFile', secrets);
  kept.changed = await keeping.play('twoSteps', files.changed);
  kept.long = await keeping.failedBatch('x'.repeat(70_000));
  change(kept.changed.batch.LogID, files.changed);
  await Promise.all([
    forgetful.erase(unkept.batch),
    ...Object.values(kept).map(({ batch }) => keeping.erase(batch)),
  ]);
  keeping.reset();
  forgetful.reset();
}, 240_000);

afterAll(async () => {
  await keeping.close();
  await forgetful.close();
});

/** The failed batch that a Schedule started for `DUE`. */
async function scheduled(file: string): Promise<BatchRecord> {
  const schedule = await keeping.client.schedule.create({
    scheduleId: `files-${file}`,
    spec: { calendars: [{ year: DUE.getUTCFullYear(), month: 'NOVEMBER', dayOfMonth: 1, hour: 6 }] },
    action: { type: 'startWorkflow', workflowType: 'twoSteps', taskQueue: keeping.taskQueue, args: [file] },
    state: { paused: true },
  });
  await schedule.backfill({ start: DUE, end: DUE });
  const started = async () => (await schedule.describe()).info.recentActions[0];
  const { action } = await vi.waitUntil(started, { timeout: 20_000 });
  const record = await keeping.batchOf(action.workflow.firstExecutionRunId);
  await schedule.delete();
  return record;
}

/** Somebody makes it another input. */
function change(logID: number, file: string): void {
  const db = new Database(join(keeping.folder, 'Audit.db'));
  db.prepare(`UPDATE PipelineEvent SET Message = replace(Message, ?, 'mine') WHERE LogID = ?`).run(
    file,
    logID,
  );
  db.close();
}

function inputOf({ events }: BatchRecord): string | null | undefined {
  return events.find(({ StepName }) => StepName === 'input')?.Message;
}

/** What the command line would do with these batches. */
async function planned(from: string, ...batches: BatchRecord[]): Promise<PlannedReplay[]> {
  const { audit, taskQueue, folder: cwd } = keeping;
  writeFileSync(join(cwd, 'batchtrail.yaml'), JSON.stringify({ audit, worker: { taskQueue } }));
  const logIDs = batches.map(({ batch }) => String(batch.LogID));
  const env = { TEMPORAL_ADDRESS: temporalAddress() };
  const args = ['replay', ...logIDs, '--from', from, '--dry-run', '--json'];
  const { stdout, stderr } = await runCli(args, { cwd, env });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as PlannedReplay[];
}

it('what would be done is shown before, with the input where there is one, and with nothing that is secret', async () => {
  const fresh = await keeping.play('loadFile', { ...secrets, name: 'kept' }).finally(() => keeping.reset());
  const failing = { name: 'failing', shoeSize: 44 };
  keeping.broken.add('load failing');
  const failed = await keeping.play('loadFile', failing);
  keeping.reset();
  const { LogID, Status } = failed.batch;
  const before = keeping.done.length;
  expect(await planned('failure', failed, fresh, kept.plain)).toEqual([
    {
      ...{ batchId: LogID, pipeline: 'Files', from: 'failure', step: 'step' },
      ...{ input: '{"name":"failing","shoeSize":"***"}', replaces: [] },
    },
    { batchId: fresh.batch.LogID, refused: containing('has succeeded') },
    { batchId: kept.plain.batch.LogID, refused: containing('from its start') },
  ]);
  expect(await planned('start', kept.plain, kept.secret)).toMatchObject([
    { input: `"${files.plain.replaceAll('"', '\\"')}"`, step: null, note: containing('without the memo') },
    { refused: containing('is redacted') },
  ]);
  expect(keeping.done.length).toBe(before);
  expect((await keeping.read(failed)).batch).toMatchObject({ Status, Resolution: 'open' });
});

it('without audit.inputs, a batch has the digest of its input, and can not be replayed beyond retention', async () => {
  const { batch, file } = unkept;
  const input = `[{"metadata":{"encoding":"json/plain"},"data":"\\"${file}\\""}]`;
  expect(batch.InputDigest).toBe(createHash('sha256').update(input).digest('hex'));
  expect(inputOf(unkept)).toBeUndefined();
  expect(await forgetful.replay({ batchId: batch.LogID })).toMatchObject({
    refused: containing('The audit has no input of it: audit.inputs.keep was off'),
  });
  expect((await forgetful.read(unkept)).batch.Resolution).toBe('open');
});

it('with it, a batch beyond retention is replayed with the input that it had, and what is missing is said', async () => {
  const { LogID, WorkflowID, InputDigest } = kept.plain.batch;
  expect(await keeping.replay({ batchId: LogID, from: 'failure' })).toMatchObject({
    refused: containing('from its start'),
  });
  const outcome = await keeping.replay({ batchId: LogID });
  expect(outcome).toMatchObject({ status: 'Success', note: containing('without the memo') });
  const again = await keeping.batchOf('runId' in outcome ? outcome.runId : '');
  expect(again.batch).toMatchObject({
    ...{ WorkflowID, InputDigest, PipelineName: 'Files', ReplayOfLogID: LogID },
  });
  expect(keeping.done).toEqual([`read ${files.plain}`, `load ${files.plain}`]);
  expect((await keeping.read(kept.plain)).batch.Resolution).toBe('replayed');
});

it('it is still the run for its nominal time, which says what an incremental transfer moves', async () => {
  const { LogID, ScheduleID } = kept.due.batch;
  expect(kept.due.batch.ScheduledTime).toBe(DUE.toISOString());
  const again = await keeping.replayed({ batchId: LogID });
  expect(again.batch).toMatchObject({ ScheduleID, ScheduledTime: DUE.toISOString(), Status: 'Success' });
});

it('secrets are hidden by the names of their keys, and such an input is not run again', async () => {
  const [{ data }] = JSON.parse(inputOf(kept.secret)!) as [{ data: string }];
  expect(JSON.parse(data)).toEqual({
    ...{ name: secrets.name, shoeSize: '***', api_key: '***', at: 'https://ada:***@host/x' },
  });
  expect(await keeping.replay({ batchId: kept.secret.batch.LogID })).toMatchObject({
    refused: containing('is redacted, or was changed'),
  });
});

it('an input that is too long is not kept', async () => {
  expect(kept.long.batch.InputDigest).toMatch(/^[0-9a-f]{64}$/);
  expect(inputOf(kept.long)).toBeUndefined();
  expect(await keeping.replay({ batchId: kept.long.batch.LogID })).toMatchObject({
    refused: containing('the input was too long'),
  });
});

it('who changes a kept input is found, and it is not run', async () => {
  const { LogID } = kept.changed.batch;
  const found: string[] = [];
  const { taskQueue, client, reader } = keeping;
  await verifyAudit(
    reader,
    new TemporalReader(() => client, 'default'),
    { taskQueue, batch: LogID },
    { batch: ({ findings }) => void found.push(...findings), missing: () => undefined },
  );
  expect(found.join()).toContain('differs from its hash');
  expect(await keeping.replay({ batchId: LogID })).toMatchObject({
    refused: containing('is redacted, or was changed'),
  });
});
