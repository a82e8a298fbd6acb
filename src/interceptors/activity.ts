/**
 * The live witness of activity attempts. Before user code runs, the batch row is durable; before Temporal hears of the
 * result, the attempt's start and end are. User code does not wait for the start: an attempt that dies within the
 * moments until it is written is known to Temporal, and so to the certificate.
 */
import { hostname } from 'node:os';
import type { Context, Info } from '@temporalio/activity';
import { CompleteAsyncError } from '@temporalio/activity';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { attemptEnd } from '../audit/attemptEnd.js';
import { workerName } from '../audit/auditor.js';
import type { Auditor } from '../audit/auditor.js';
import { runInBatch } from '../audit/batchScope.js';
import { GoesOn } from '../audit/outsideSlot.js';
import type { OutsideSlots } from '../audit/outsideSlot.js';
import type { Recorder } from '../audit/recorder.js';
import { reportable } from '../audit/reportableError.js';
import { StepAttempt } from '../audit/stepAttempt.js';
import type { RunStart } from '../domain/model.js';
import { Heartbeats } from './heartbeats.js';
import { closeStandalone, isStandalone, standaloneStart } from '../audit/standalone.js';
import { TemporalReader } from '../audit/temporalReader.js';
import type { RunKey } from '../audit/temporalReader.js';

/** Where an attempt ran, in the form of Temporal's default identity. */
const WORKER = `${process.pid}@${hostname()}`;

export function auditActivities(auditor: Auditor, outside: OutsideSlots): ActivityInterceptorsFactory {
  return (context) => ({
    inbound: { execute: (input, next) => auditAttempt(auditor, outside, context, () => next(input)) },
  });
}

async function auditAttempt(
  auditor: Auditor,
  outside: OutsideSlots,
  context: Context,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const { info } = context;
  await auditor.open();
  const { recorder } = auditor;
  const worker = workerName(info);
  const heartbeats = new Heartbeats(context);
  const batch = await heartbeats.during(recorder.batchOf(runKey(info), () => runStart(context), worker));
  const step = new StepAttempt(batch, recorder.storeID, info, WORKER, {
    now: (event) => recorder.record([event], worker),
    meanwhile: (event) => recorder.recordPatiently([event], worker),
  });
  const begun = step.begin();
  if (recorder.options.strict) await heartbeats.during(begun);
  const attempt = { recorder, context, step, signal: context.cancellationSignal };
  try {
    return await untilRecorded(attempt, work, (recorded) => heartbeats.during(recorded));
  } catch (error) {
    if (error instanceof GoesOn) {
      // There it beats in another way, until its end is reported.
      const withoutBeats = (recorded: Promise<void>): Promise<void> => recorded;
      outside.goOn(context, batch, (signal) =>
        untilRecorded({ ...attempt, signal }, () => error.work(signal), withoutBeats),
      );
    }
    throw error;
  }
}

interface Attempt {
  readonly recorder: Recorder;
  readonly context: Context;
  readonly step: StepAttempt;
  /** Ends it when the activity is cancelled. */
  readonly signal: AbortSignal;
}

/** What comes of the work, as soon as that is durable. */
async function untilRecorded(
  { recorder, context, step, signal }: Attempt,
  work: () => Promise<unknown>,
  patiently: (recorded: Promise<void>) => Promise<void>,
): Promise<unknown> {
  const { info } = context;
  let result: unknown;
  try {
    result = await runInBatch(step, work);
  } catch (error) {
    if (error instanceof GoesOn) throw error;
    if (error instanceof CompleteAsyncError) {
      step.log(info.activityType, { message: 'will be completed from outside the worker' });
      await patiently(step.flush());
      throw error;
    }
    const end = attemptEnd(error, context, signal);
    await patiently(step.failed(end));
    if (isStandalone(info) && end.type !== 'retry') {
      await closeStandalone(recorder, info, end.type === 'cancelled' ? 'Cancelled' : 'Error', end.error);
    }
    throw reportable(error);
  }
  await patiently(step.success(result));
  if (isStandalone(info)) await closeStandalone(recorder, info, 'Success', undefined);
  return result;
}

function runKey(info: Info): RunKey {
  if (isStandalone(info)) return standaloneStart(info);
  const { workflowId, runId } = info.workflowExecution!;
  return { WorkflowID: workflowId, RunID: runId };
}

/**
 * What is known of a run that nobody opened yet: after a reset an activity can be dispatched before the first workflow
 * task, and the workflow's own worker may be one without the plugin. The start event knows the batch.
 */
async function runStart(context: Context): Promise<RunStart> {
  const { info } = context;
  if (isStandalone(info)) return standaloneStart(info);
  const run = runKey(info);
  const client = clientOf(context);
  return client ? new TemporalReader(() => client, info.namespace).start(run) : factsOf(info, run);
}

/** In a unit test's environment there is no server to ask. */
function clientOf(context: Context): Context['client'] | undefined {
  try {
    return context.client;
  } catch {
    return undefined;
  }
}

function factsOf(info: Info, { WorkflowID, RunID }: RunKey): RunStart {
  const workflowType = info.workflowType ?? '';
  const StartTime = new Date(info.scheduledTimestampMs).toISOString();
  return {
    Namespace: info.namespace,
    WorkflowID,
    RunID,
    OriginalRunID: RunID,
    PipelineName: workflowType || info.activityType,
    WorkflowType: workflowType || null,
    TaskQueue: null,
    StartTime,
    RunStartTime: StartTime,
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
  };
}
