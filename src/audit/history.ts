/** Reads Temporal's history as the second witness: what it proves about a run, in the audit's words. */
import { hash } from 'node:crypto';
import type { LoadedDataConverter } from '@temporalio/common';
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalSinglePayload,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import { returnedCounts } from '../domain/counts.js';
import type { InputPolicy } from '../domain/inputPolicy.js';
import type { BatchStatus, Counts, RunStart } from '../domain/model.js';
import { pipelineName } from '../domain/pipeline.js';
import { REPLAY_MEMO, replayMark } from '../domain/replay.js';
import { storable } from '../domain/text.js';
import type { ErrorText } from './describeError.js';
import { parseActivities } from './historyActivities.js';
import type { HistoryActivity } from './historyActivities.js';
import { errorText, instant, isReset, quietly, text, time } from './historyEvent.js';
import type { HistoryEvent } from './historyEvent.js';
import type { RunInput } from './recordedInput.js';
import { runInput } from './recordedInput.js';

export interface RunHistory {
  readonly start: RunStart;
  readonly end: RunEnd | undefined;
  readonly activities: HistoryActivity[];
  /** The number of the last event; null where there is no history: for an activity that no workflow started. */
  readonly lastEventID: number | null;
  /** The run that this one was reset from. */
  readonly baseRunID: string | null;
  /** Where it was reset, and the runs before it were: what these had done in that time is done again. */
  readonly redone: readonly TimeSpan[];
  /** Of the ids, types and times of its events; null where there is no history. */
  readonly historyHash: string | null;
  /** Null where there is no history. */
  readonly input: RunInput | null;
}

export interface TimeSpan {
  readonly from: string;
  readonly to: string;
}

export interface RunEnd {
  readonly status: BatchStatus;
  readonly time: string;
  readonly error: ErrorText | undefined;
  readonly counts: Partial<Counts>;
  /** A reset ended this run: its batch goes on in another one. */
  readonly byReset: boolean;
  /** The workflow's own retry policy goes on in another run. */
  readonly willRetry: boolean;
}

const { RetryState } = proto.temporal.api.enums.v1;

/** The identity under which Temporal terminates a run that was reset while it ran. */
const RESETTER = 'history-resetter';

export async function parseHistory(
  namespace: string,
  workflowID: string,
  runID: string,
  events: readonly HistoryEvent[],
  converter: LoadedDataConverter,
  inputs: InputPolicy,
): Promise<RunHistory> {
  const first = events[0];
  if (!first?.workflowExecutionStartedEventAttributes) {
    throw new Error(`The history of run ${runID} does not begin with its start event`);
  }
  const redone = redoneIn(events);
  return {
    start: await parseStart(namespace, workflowID, runID, first, converter, redone.at(-1)?.to),
    end: await parseEnd(events.at(-1), converter),
    activities: await parseActivities(events, converter),
    lastEventID: Number(events.at(-1)!.eventId),
    baseRunID: events.findLast(isReset)?.workflowTaskFailedEventAttributes?.baseRunId || null,
    redone,
    historyHash: hashOf(events),
    input: runInput(first.workflowExecutionStartedEventAttributes.input?.payloads ?? [], inputs),
  };
}

/** Each from the last event that was taken over to the reset. */
function redoneIn(events: readonly HistoryEvent[]): TimeSpan[] {
  return events.flatMap((event, index) =>
    isReset(event) ? [{ from: time(events[index - 1]?.eventTime), to: time(event.eventTime) }] : [],
  );
}

/** Not of payloads: a codec may encrypt them anew, and a later version of the protocol have more fields. */
function hashOf(events: readonly HistoryEvent[]): string {
  const lines = events.map(
    ({ eventId, eventType, eventTime }) =>
      `${String(eventId)} ${eventType} ${String(eventTime?.seconds ?? 0)}.${eventTime?.nanos ?? 0}`,
  );
  return hash('sha256', lines.join('\n'));
}

export async function parseStart(
  namespace: string,
  workflowID: string,
  runID: string,
  event: HistoryEvent,
  converter: LoadedDataConverter,
  resetTime?: string,
): Promise<RunStart> {
  const started = event.workflowExecutionStartedEventAttributes ?? {};
  const field = (fields: Record<string, unknown> | null | undefined, name: string): Promise<unknown> =>
    quietly(() => decodeOptionalSinglePayload(converter, (fields as Record<string, never>)?.[name]));
  const searchAttributes = started.searchAttributes?.indexedFields;
  const workflowType = started.workflowType?.name ?? '';
  const memo = {
    pipeline: await field(started.memo?.fields, 'pipeline'),
    [REPLAY_MEMO]: await field(started.memo?.fields, REPLAY_MEMO),
  };
  const input = await quietly(() => decodeFromPayloadsAtIndex(converter, 0, started.input?.payloads));
  return {
    Namespace: namespace,
    WorkflowID: workflowID,
    RunID: runID,
    OriginalRunID: started.originalExecutionRunId || runID,
    PipelineName: pipelineName(workflowType, memo, input),
    WorkflowType: workflowType || null,
    TaskQueue: started.taskQueue?.name || null,
    StartTime: time(event.eventTime),
    RunStartTime: resetTime ?? time(event.eventTime),
    ScheduleID: text(await field(searchAttributes, 'TemporalScheduledById')),
    ScheduledTime: instant(await field(searchAttributes, 'TemporalScheduledStartTime')),
    RunByUser: storable(started.identity ?? '') || null,
    previousRunID: started.continuedExecutionRunId || null,
    parentRunID: started.parentWorkflowExecution?.runId || null,
    replayedRunID: replayMark(memo)?.run ?? null,
  };
}

async function parseEnd(
  event: HistoryEvent | undefined,
  converter: LoadedDataConverter,
): Promise<RunEnd | undefined> {
  if (!event) return undefined;
  const end = (status: BatchStatus, more: Partial<RunEnd> = {}): RunEnd => ({
    status,
    time: time(event.eventTime),
    error: undefined,
    counts: {},
    byReset: false,
    willRetry: false,
    ...more,
  });
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) {
    const result = await quietly(() => decodeFromPayloadsAtIndex(converter, 0, completed.result?.payloads));
    return end('Success', { counts: returnedCounts(result) });
  }
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed) {
    return end('Error', {
      error: await errorText(failed.failure, converter),
      willRetry: failed.retryState === RetryState.RETRY_STATE_IN_PROGRESS,
    });
  }
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    const by = terminated.identity ? ` by ${terminated.identity}` : '';
    const why = terminated.reason ? `: ${terminated.reason}` : '';
    return end('Terminated', {
      error: { type: 'TerminatedFailure', message: storable(`Terminated${by}${why}`) },
      byReset: terminated.identity === RESETTER,
    });
  }
  const timedOut = event.workflowExecutionTimedOutEventAttributes;
  if (timedOut) {
    return end('TimedOut', {
      error: { type: 'TimeoutFailure', message: 'The workflow ran longer than its timeout allows' },
      willRetry: timedOut.retryState === RetryState.RETRY_STATE_IN_PROGRESS,
    });
  }
  if (event.workflowExecutionCanceledEventAttributes) return end('Cancelled');
  if (event.workflowExecutionContinuedAsNewEventAttributes) return end('Continued');
  return undefined;
}
