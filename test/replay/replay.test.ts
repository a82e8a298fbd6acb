/** Failed batches are done again, against a real Temporal server. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import { holds } from '../../src/audit/verdict.js';
import { verifyAudit } from '../../src/audit/verifyAudit.js';
import type { Listener } from '../../src/audit/verifyAudit.js';
import type { BatchRecord } from '../../src/domain/model.js';
import type { ReplayBatchesInput, ReplayInput, ReplayProgress } from '../../src/domain/replay.js';
import { PROGRESS_QUERY, STOP_SIGNAL } from '../../src/domain/replay.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { runCli } from '../cli/runCli.js';
import { temporalAddress } from '../support/temporal.js';
import { Rig } from './rig.js';

const { IndexedValueType } = temporal.api.enums.v1;

/** The batch that one test had erased in Temporal, which the audit can't hide. */
let erased: number | undefined;

/** As if the worker died between the work and its report. */
let losesItsAnswer = false;
const losingAnswers: ActivityInterceptorsFactory = ({ info: { activityType } }) => ({
  inbound: {
    async execute(input, next) {
      const answer: unknown = await next(input);
      if (activityType !== 'beginReplay' || !losesItsAnswer) return answer;
      losesItsAnswer = false;
      throw new Error('the worker is gone');
    },
  },
});

const rig = new Rig({ interceptors: [losingAnswers] });
const { audit, broken, done, folder, taskQueue } = rig;
let client: Client;
let reader: AuditReader;
const batchOf = rig.batchOf.bind(rig);
const failedBatch = rig.failedBatch.bind(rig);
const hold = rig.hold.bind(rig);
const play = rig.play.bind(rig);
const read = rig.read.bind(rig);
const replay = rig.replay.bind(rig);
const replayed = rig.replayed.bind(rig);

beforeAll(async () => {
  await rig.open();
  ({ client, reader } = rig);
});
afterAll(() => rig.close());
afterEach(() => rig.reset());

async function inGroups<T, R>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += size) {
    results.push(...(await Promise.all(items.slice(from, from + size).map(work))));
  }
  return results;
}

const containing = (part: string) => expect.stringContaining(part) as string;
const anyNumber = expect.any(Number) as number;

it('from its start, a failed batch runs again as a batch of its own, with the same input, and is repaired by it', async () => {
  const failed = await failedBatch();
  const { LogID, WorkflowID } = failed.batch;
  expect(failed.batch).toMatchObject({ Status: 'Error', Resolution: 'open' });
  broken.clear();

  const outcome = await replay({ batchId: LogID });
  expect(outcome).toMatchObject({ batchId: LogID, status: 'Success', workflowId: WorkflowID });
  const again = await batchOf('runId' in outcome ? outcome.runId : '');
  expect(again.batch).toMatchObject({
    ...{ WorkflowID, Status: 'Success', PipelineName: 'Files', ReplayOfLogID: LogID, Resolution: null },
  });
  expect(again.batch.LogID).not.toBe(LogID);
  expect(done).toEqual([`read ${failed.file}`, `read ${failed.file}`, `load ${failed.file}`]);
  const { memo } = await client.workflow.getHandle(WorkflowID!).describe();
  expect(memo).toMatchObject({ ticket: 7 });

  const after = await read(failed);
  expect(after.batch).toMatchObject({
    ...{ Status: 'Error', Resolution: 'replayed', ResolvedByLogID: again.batch.LogID },
  });
  expect(after.alerts.every(({ ResolvedAt }) => ResolvedAt !== null)).toBe(true);
  expect(after.events.at(-1)).toMatchObject({
    ...{ StepName: 'resolution', Message: `replayed by batch ${again.batch.LogID}` },
  });
});

it.each(['start', 'failure'] as const)(
  'from the %s, it keeps its memo, its search attributes and its task queue, also when it is replayed by another one',
  async (from) => {
    const name = `Ticket${randomUUID().slice(0, 8)}`;
    await client.connection.operatorService.addSearchAttributes({
      ...{ namespace: 'default', searchAttributes: { [name]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD } },
    });
    const ticket = defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
    const typedSearchAttributes = [{ key: ticket, value: 'T-7' }];
    const file = randomUUID();
    broken.add(`load ${file}`);
    const ownQueue = `own-${file}`;
    const stop = await rig.startWorker({ taskQueue: ownQueue });
    const workflowId = `kept-${file}`;
    const start = (): Promise<WorkflowHandle> =>
      client.workflow.start('twoSteps', {
        ...{ taskQueue: ownQueue, workflowId, args: [file], memo: { ticket: 7 }, typedSearchAttributes },
      });
    // The server takes the name after a while.
    const handle = await vi.waitFor(start, { timeout: 20_000 });
    await handle.result().catch(() => undefined);
    const { runId } = await handle.describe();
    const failed = await batchOf(runId);
    broken.clear();

    const again = await replayed({ batchId: failed.batch.LogID, from });
    await stop();
    expect(again.batch).toMatchObject({ Status: 'Success', TaskQueue: ownQueue });
    const kept = await client.workflow.getHandle(workflowId).describe();
    expect(kept.runId).not.toBe(runId);
    expect(kept).toMatchObject({ taskQueue: ownQueue, memo: { ticket: 7 } });
    expect(kept.typedSearchAttributes.get(ticket)).toBe('T-7');
  },
  60_000,
);

it('from the failure, it goes on with the same number, and keeps the steps that had succeeded', async () => {
  const failed = await failedBatch();
  const { LogID } = failed.batch;
  broken.clear();

  const again = await replayed({ batchId: LogID, from: 'failure' });
  expect(again.batch).toMatchObject({
    ...{ LogID, Status: 'Success', Resolution: 'replayed', ResolvedByLogID: LogID },
  });
  expect(again.runs.map(({ Status }) => Status)).toEqual(['Error', 'Success']);
  expect(done).toEqual([`read ${failed.file}`, `load ${failed.file}`]);
});

it('a replay that fails again leaves both open, and the next one that succeeds repairs them all', async () => {
  const failed = await failedBatch();
  const outcome = await replay({ batchId: failed.batch.LogID });
  expect(outcome).toMatchObject({ status: 'Error', error: containing('the disk is full') });
  const second = await batchOf('runId' in outcome ? outcome.runId : '');
  expect(second.batch.Resolution).toBe('open');
  expect((await read(failed)).batch.Resolution).toBe('open');
  expect(await replay({ batchId: failed.batch.LogID })).toMatchObject({
    refused: containing(`that failed, too: workflow ${second.batch.WorkflowID}`),
  });
  broken.clear();

  const third = await replayed({ batchId: second.batch.LogID });
  for (const repaired of [failed, second]) {
    expect((await read(repaired)).batch).toMatchObject({
      ...{ Resolution: 'replayed', ResolvedByLogID: third.batch.LogID },
    });
  }
});

it('a run that goes on in another one is replayed from there, and the last of the chain repairs it', async () => {
  const file = randomUUID();
  broken.add(`load ${file}`);
  const failed = await play('twoRuns', file);
  expect(failed.batch).toMatchObject({ Status: 'Error', PreviousLogID: anyNumber });
  broken.clear();

  const first = await read({ ...failed, batch: { ...failed.batch, LogID: failed.batch.PreviousLogID! } });
  expect(await replay({ batchId: first.batch.LogID })).toEqual({
    batchId: first.batch.LogID,
    refused: containing('was continued as another batch'),
  });
  const again = await replayed({ batchId: failed.batch.LogID });
  expect((await read(failed)).batch).toMatchObject({ ResolvedByLogID: again.batch.LogID });
});

it('from the failure, a chain goes on in the run that failed, whether before or after it was continued', async () => {
  const file = randomUUID();
  const steps = ['read', 'copy', 'check', 'load'].map((name) => `${name} ${file}`);
  broken.add(`copy ${file}`).add(`load ${file}`);
  const first = await play('stepsInTwoRuns', file);
  broken.delete(`copy ${file}`);

  // The reset run goes on as another batch, which fails.
  expect(await replay({ batchId: first.batch.LogID, from: 'failure' })).toMatchObject({ status: 'Error' });
  const { runId } = await client.workflow.getHandle(first.batch.WorkflowID!).describe();
  const second = await batchOf(runId);
  expect(second.batch).toMatchObject({ PreviousLogID: first.batch.LogID, Resolution: 'open' });
  await expect
    .poll(async () => (await read(first)).batch)
    .toMatchObject({ Status: 'Continued', Resolution: 'replayed', ResolvedByLogID: first.batch.LogID });

  broken.clear();
  const again = await replayed({ batchId: second.batch.LogID, from: 'failure' });
  const { LogID } = second.batch;
  expect(again.batch).toMatchObject({
    ...{ LogID, Status: 'Success', Resolution: 'replayed', ResolvedByLogID: LogID },
  });
  expect(done).toEqual(steps);
});

it('refuses what must not be replayed, and says why', async () => {
  const good = await play('twoSteps', randomUUID());
  const goodID = good.batch.LogID;
  const refusal = async (input: ReplayInput) => (await replay(input)) as { refused?: string };
  expect((await refusal({ batchId: 999_999 })).refused).toContain('There is no batch 999999');
  expect((await refusal({ batchId: goodID })).refused).toContain(`Batch ${goodID} has succeeded`);

  const failed = await failedBatch();
  broken.clear();
  const again = await replayed({ batchId: failed.batch.LogID });
  for (const force of [false, true]) {
    expect((await refusal({ batchId: failed.batch.LogID, force })).refused).toContain(
      `is replayed already by batch ${again.batch.LogID}. If it has to be done once more, replay that one`,
    );
  }
  const forced = await replayed({ batchId: again.batch.LogID, force: true });
  expect(forced.batch).toMatchObject({ Status: 'Success', ReplayOfLogID: again.batch.LogID });
  expect((await read(failed)).batch.ResolvedByLogID).toBe(again.batch.LogID);

  const waiting = randomUUID();
  const letGo = hold();
  done.push(`read ${waiting}`);
  const handle = await client.workflow.start('twoSteps', {
    ...{ taskQueue, args: [waiting], workflowId: `waiting-${waiting}` },
  });
  const runs = (): Promise<unknown[]> => reader.runs([handle.firstExecutionRunId]);
  await expect.poll(runs).toHaveLength(1);
  const [{ LogID }] = (await runs()) as [{ LogID: number }];
  expect((await refusal({ batchId: LogID, force: true })).refused).toContain(`Batch ${LogID} still runs`);
  letGo();
  await handle.result();
});

it('refuses a batch whose workflow id is taken, one that Temporal does not know, and one whose history it has erased', async () => {
  const failed = await failedBatch();
  const { LogID, WorkflowID } = failed.batch;
  broken.clear();
  const letGo = hold();
  done.push(`read ${failed.file}`);
  const other = await client.workflow.start('twoSteps', {
    ...{ taskQueue, args: [failed.file], workflowId: WorkflowID! },
  });
  for (const from of ['start', 'failure'] as const) {
    expect(await replay({ batchId: LogID, from })).toMatchObject({
      refused: containing(`is taken by a run that goes on: workflow ${WorkflowID}`),
    });
  }
  letGo();
  await other.result();

  erased = LogID;
  await rig.erase(failed.batch);
  const unknown = `Temporal does not know run ${failed.batch.RunID}, which ended at ${failed.batch.EndTime}, so recently that its history can't have been erased by age. Check TEMPORAL_ADDRESS and the namespace default`;
  const gone = `Temporal has erased the history of batch ${LogID}`;
  for (const reason of [unknown, gone]) {
    for (const from of ['start', 'failure'] as const) {
      expect(await replay({ batchId: LogID, from })).toMatchObject({ refused: containing(reason) });
    }
    const audit = new Database(join(folder, 'Audit.db'));
    audit.prepare(`UPDATE PipelineLog SET EndTime = '2025-11-26T00:00:00.000Z' WHERE LogID = ?`).run(LogID);
    audit.close();
  }
});

it('of a workflow that its own policy tries again, the last try is replayed, and repairs all of them', async () => {
  const file = randomUUID();
  broken.add(`load ${file}`);
  const { firstExecutionRunId } = await client.workflow
    .start('twoSteps', {
      ...{ taskQueue, args: [file], workflowId: `tries-${file}` },
      retry: { maximumAttempts: 2, initialInterval: 1 },
    })
    .then(async (handle) => {
      await handle.result().catch(() => undefined);
      return handle;
    });
  const first = await batchOf(firstExecutionRunId);
  const { runId } = await client.workflow.getHandle(`tries-${file}`).describe();
  const last = await batchOf(runId);
  broken.clear();

  expect(await replay({ batchId: first.batch.LogID })).toMatchObject({
    refused: containing('was tried again as another batch'),
  });
  const again = await replayed({ batchId: last.batch.LogID });
  expect((await read(first)).batch).toMatchObject({
    ...{ Resolution: 'superseded', ResolvedByLogID: again.batch.LogID },
  });
});

it('what a Schedule started is superseded when its backfill of the same time succeeds', async () => {
  const file = randomUUID();
  broken.add(`load ${file}`);
  const due = new Date('2026-11-01T06:00:00Z');
  const schedule = await client.schedule.create({
    scheduleId: `files-${file}`,
    spec: { calendars: [{ hour: 6, minute: 0, year: 2026, month: 'NOVEMBER', dayOfMonth: 1 }] },
    action: { type: 'startWorkflow', workflowType: 'twoSteps', taskQueue, args: [file] },
  });
  const backfilled = async (count: number): Promise<BatchRecord[]> => {
    await schedule.backfill({ start: due, end: due, overlap: 'ALLOW_ALL' });
    const started = async () => (await schedule.describe()).info.recentActions;
    await expect.poll(async () => (await started()).length).toBe(count);
    return Promise.all((await started()).map(({ action }) => batchOf(action.workflow.firstExecutionRunId)));
  };
  try {
    const [failed] = await backfilled(1);
    expect(failed!.batch).toMatchObject({ Resolution: 'open', ScheduledTime: due.toISOString() });
    broken.clear();
    const success = (await backfilled(2)).at(-1)!;
    expect(success.batch).toMatchObject({ Status: 'Success', ScheduledTime: due.toISOString() });
    expect((await read(failed!)).batch).toMatchObject({
      ...{ Resolution: 'superseded', ResolvedByLogID: success.batch.LogID },
    });
  } finally {
    await schedule.delete();
  }
});

it('from the failure, what failed before and was coped with is not done again', async () => {
  const file = randomUUID();
  broken.add(`read ${file}`).add(`load ${file}`);
  const failed = await play('stepsThatMayFail', file);
  broken.clear();
  await replayed({ batchId: failed.batch.LogID, from: 'failure' });
  expect(done).toEqual([`check ${file}`, `load ${file}`]);
});

it('of two who replay a batch at once, one wins and the other is told', async () => {
  const failed = await failedBatch();
  broken.clear();
  const outcomes = await Promise.all([1, 2].map(() => replay({ batchId: failed.batch.LogID })));
  const refused = outcomes.filter((outcome) => 'refused' in outcome);
  expect(refused).toHaveLength(1);
  expect(refused[0]!.refused).toMatch(/is being replayed|is replayed already/);
  expect(done.filter((name) => name === `load ${failed.file}`)).toHaveLength(1);
});

it.each(['start', 'failure'] as const)(
  'a worker that dies after it began a replay from the %s does not begin another one',
  async (from) => {
    const failed = await failedBatch();
    broken.clear();
    losesItsAnswer = true;
    const again = await replayed({ batchId: failed.batch.LogID, from });
    expect(again.batch.Status).toBe('Success');
    expect(losesItsAnswer).toBe(false);
    expect(done.filter((name) => name === `load ${failed.file}`)).toHaveLength(1);
  },
);

it('the command line replays batches, says what became of them, and dismisses others', async () => {
  writeFileSync(join(folder, 'batchtrail.yaml'), JSON.stringify({ audit, worker: { taskQueue } }));
  const run = (...args: string[]) =>
    runCli(args, { cwd: folder, env: { TEMPORAL_ADDRESS: temporalAddress() } });
  const [first, second] = [await failedBatch(), await failedBatch()];
  const [one, two] = [first, second].map(({ batch }) => String(batch.LogID)) as [string, string];
  broken.delete(`load ${first.file}`);

  const replaying = await run('replay', one, two, '--from', 'failure');
  expect(replaying).toMatchObject({ code: 1, stderr: containing('1 of 2 batches are not repaired') });
  expect(replaying.stdout).toMatch(new RegExp(`^${one}  Success .*\n${two}  Error: .*the disk is full`));

  expect(await run('dismiss', two, '--reason', 'not needed', '--by', 'Ada')).toMatchObject({
    ...{ code: 0, stdout: `Batch ${two} is dismissed by Ada\n` },
  });
  expect(await run('dismiss', one, '--reason', 'not needed')).toMatchObject({
    ...{ code: 1, stderr: containing(`Batch ${one} is not open: it is replayed already`) },
  });
  expect(await run('dismiss', two)).toMatchObject({ code: 2, stderr: containing('--reason') });
  expect(await run('replay')).toMatchObject({ code: 2, stderr: containing('or --failed') });
  expect(await run('replay', one, '--limit', '3')).toMatchObject({
    ...{ code: 2, stderr: containing('--limit needs --failed') },
  });

  const third = await failedBatch();
  const ofThird = ['replay', '--failed', '--error', third.file];
  expect(await run(...ofThird, '--dry-run')).toMatchObject({
    ...{ code: 0, stdout: expect.stringMatching(new RegExp(`start .*"${third.file}"`)) as string },
  });
  broken.clear();
  expect(await run(...ofThird)).toMatchObject({
    code: 0,
    stdout: containing(`${third.batch.LogID}  Success`),
  });
}, 60_000);

it(
  '200 failed batches are replayed at once, also those whose replay failed before; some fail again',
  { timeout: 240_000 },
  async () => {
    const files = Array.from({ length: 200 }, (_, index) => `bulk-${index}`);
    for (const file of files) broken.add(`load ${file}`);
    const failed = await inGroups(files, 25, (file) => play('twoSteps', file));
    const [first] = failed;
    const failedAgain = await replay({ batchId: first!.batch.LogID });
    await batchOf('runId' in failedAgain ? failedAgain.runId : '');
    for (const file of files.slice(0, 195)) broken.delete(`load ${file}`);

    const { total, outcomes } = await client.workflow.execute<
      (input: ReplayBatchesInput) => Promise<ReplayProgress>
    >('replayBatches', {
      ...{ taskQueue, workflowId: `bulk-${randomUUID()}` },
      args: [{ error: 'load bulk-', from: 'start', limit: 200, parallel: 20 }],
    });
    expect(total).toBe(200);
    const statuses = outcomes.map((outcome) =>
      'status' in outcome ? outcome.status : JSON.stringify(outcome),
    );
    expect(statuses.filter((status) => status === 'Success')).toHaveLength(195);
    expect(statuses.filter((status) => status === 'Error')).toHaveLength(5);
    for (const file of files.slice(0, 195)) {
      expect(done.filter((name) => name === `load ${file}`)).toHaveLength(1);
    }
    const open = async () => (await reader.batches({ open: true, text: 'load bulk-' })).length;
    // The failed ones, and their failed replays.
    await expect.poll(open).toBe(10);
  },
);

it('a bulk that is stopped begins no more, and says how far it came', async () => {
  const failed = [await failedBatch('stop-1'), await failedBatch('stop-2')];
  broken.clear();
  const letGo = hold();
  const handle = await client.workflow.start('replayBatches', {
    ...{ taskQueue, workflowId: `bulk-${randomUUID()}` },
    args: [{ error: 'load stop-', parallel: 1 }],
  });
  const progress = (): Promise<unknown> => handle.query(PROGRESS_QUERY);
  await expect.poll(progress).toEqual({ total: 2, outcomes: [] });
  await handle.signal(STOP_SIGNAL);
  letGo();
  expect(await handle.result()).toMatchObject({ total: 2, outcomes: [{ status: 'Success' }] });
  await expect.poll(async () => (await read(failed[0]!)).batch.Resolution).toBe('replayed');
  expect((await read(failed[1]!)).batch.Resolution).toBe('open');
});

it('the audit with its replays is proven by the histories', async () => {
  const temporal = new TemporalReader(() => client, 'default');
  const problems = async (): Promise<unknown[]> => {
    const wrong: unknown[] = [];
    const listener: Listener = {
      batch: (verified) => void (holds(verified) || verified.LogID === erased || wrong.push(verified)),
      missing: (run) => void wrong.push(run),
    };
    const { verdicts } = await verifyAudit(reader, temporal, { taskQueue }, listener);
    expect(verdicts.certified).toBeGreaterThan(10);
    return wrong;
  };
  // The last ones are not certified yet.
  await expect.poll(problems).toEqual([]);
});
