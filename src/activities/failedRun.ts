/** One run that is to be done again: what Temporal says of it, and the run that takes its place. */
import { encodeToPayload } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { isGrpcServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import { isNotFound, TemporalReader } from '../audit/temporalReader.js';
import { unknownRun, wasErased } from '../audit/unknownRun.js';
import type { BatchRecord, PipelineLog } from '../domain/model.js';
import type { Refusal, ReplayMark, ReplayRun } from '../domain/replay.js';
import { refuse, REPLAY_MEMO, replayMark } from '../domain/replay.js';
import { NOT_RESTORED, startedAsRecorded } from './recordedStart.js';
import type { ResetPoint } from './resetPoint.js';
import { resetPoint } from './resetPoint.js';

/** gRPC's code. */
const ALREADY_EXISTS = 6;
const { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } = proto.temporal.api.enums.v1;

type Started = temporal.api.history.v1.IWorkflowExecutionStartedEventAttributes;

/** Not a cron schedule, which would go on beside the one that is there. */
const TAKEN_OVER = [
  ...(['workflowType', 'taskQueue', 'input', 'header', 'retryPolicy', 'searchAttributes'] as const),
  ...(['workflowExecutionTimeout', 'workflowRunTimeout', 'workflowTaskTimeout', 'priority'] as const),
];

function takenOver(started: Started): Pick<Started, (typeof TAKEN_OVER)[number]> {
  return Object.fromEntries(TAKEN_OVER.map((field) => [field, started[field] ?? null]));
}

/** How the run that takes its place is started. */
export interface NewStart {
  readonly started: Started;
  /** What differs from the first one. */
  readonly note?: string;
}

/** One batch whose latest run is to be done again. */
export class FailedRun {
  readonly #logID: number;

  constructor(
    readonly client: Client,
    readonly record: BatchRecord,
    readonly run: ReplayRun = { workflowId: record.batch.WorkflowID!, runId: record.batch.RunID! },
  ) {
    this.#logID = record.batch.LogID;
  }

  /** An earlier attempt to begin it may not have lived to say so. */
  async begunBefore(request: string): Promise<ReplayRun | undefined> {
    const latest = await this.#latest();
    if (latest?.mark?.request === request) return { ...this.run, runId: latest.runId };
    const resetRunId = await this.#resetRunId();
    return resetRunId ? { ...this.run, runId: resetRunId } : undefined;
  }

  /** Two runs of one workflow id can't go on at the same time; and Temporal knows of a replay before the audit does. */
  async conflict(): Promise<Refusal | undefined> {
    const latest = await this.#latest();
    if (!latest || latest.runId === this.run.runId) return undefined;
    const { workflowId, runId } = this.run;
    const isReplay = latest.mark?.run === runId || latest.runId === (await this.#resetRunId());
    const where = `workflow ${workflowId}, run ${latest.runId}`;
    if (latest.isRunning) {
      return refuse(
        isReplay
          ? `Batch ${this.#logID} is being replayed: ${where}`
          : `The workflow id of batch ${this.#logID} is taken by a run that goes on: ${where}. Wait for its end`,
      );
    }
    if (!isReplay) return undefined;
    return refuse(
      latest.isSuccess
        ? `Batch ${this.#logID} is replayed already: ${where}`
        : `Batch ${this.#logID} was replayed, and that failed, too: ${where}. Replay the batch of that run`,
    );
  }

  /** With the input, and all else, that Temporal has recorded; byte for byte, as a codec may have encrypted it. */
  async newStart(): Promise<NewStart | Refusal> {
    const started = (await this.#events(1))?.[0]?.workflowExecutionStartedEventAttributes;
    if (started) return { started };
    const recorded = await startedAsRecorded(this.record, this.client.options.loadedDataConverter);
    return 'unusable' in recorded
      ? refuse(`${await this.#noHistory()}. ${recorded.unusable}`)
      : { started: recorded, note: NOT_RESTORED };
  }

  /** `earlier`: the batches that this one is a replay of. */
  async start(
    { started, note }: NewStart,
    earlier: readonly PipelineLog[],
    request: string,
  ): Promise<ReplayRun | Refusal> {
    const { workflowService, options } = this.client;
    const { workflowId, runId } = this.run;
    const chain = [this.record.batch, ...earlier];
    const mark: ReplayMark = {
      run: runId,
      batches: chain.map(({ LogID }) => LogID),
      startTime: chain.at(-1)!.StartTime,
      request,
    };
    try {
      const { runId: newRunId } = await workflowService.startWorkflowExecution({
        ...takenOver(started),
        ...{ namespace: options.namespace, workflowId, identity: options.identity, requestId: request },
        memo: {
          fields: {
            ...started.memo?.fields,
            [REPLAY_MEMO]: await encodeToPayload(options.loadedDataConverter, mark),
          },
        },
        workflowIdReusePolicy: WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
      });
      return { workflowId, runId: newRunId, ...(note === undefined ? {} : { note }) };
    } catch (error) {
      if (!isGrpcServiceError(error) || Number(error.code) !== ALREADY_EXISTS) throw error;
      // Somebody was faster.
      return (await this.conflict()) ?? Promise.reject(error);
    }
  }

  /** Where the batch goes on from, with what had succeeded. */
  async resetPoint(): Promise<ResetPoint | Refusal> {
    const events = await this.#events();
    if (!events) {
      return refuse(
        `${await this.#noHistory()}. Without the history no step can be kept: replay batch ${this.#logID} from its start`,
      );
    }
    return (
      resetPoint(events) ??
      refuse(`Batch ${this.#logID} ended before it did anything. Replay it from its start`)
    );
  }

  async reset({ task }: ResetPoint, request: string): Promise<ReplayRun> {
    const { workflowId, runId } = this.run;
    const { runId: newRunId } = await this.client.workflowService.resetWorkflowExecution({
      namespace: this.client.options.namespace,
      workflowExecution: { workflowId, runId },
      reason: `Replay of batch ${this.#logID}`,
      workflowTaskFinishEventId: task,
      requestId: request,
    });
    return { workflowId, runId: newRunId };
  }

  /** Why there is none. */
  async #noHistory(): Promise<string> {
    const { namespace } = this.client.options;
    const keptMs = await new TemporalReader(() => this.client, namespace).retentionMs();
    const run = { RunID: this.run.runId, EndTime: this.record.batch.EndTime };
    return wasErased(run, keptMs)
      ? `Temporal has erased the history of batch ${this.#logID} (run ${run.RunID})`
      : unknownRun(run, namespace);
  }

  async #events(limit?: number) {
    const { workflowId, runId } = this.run;
    const { workflowService, workflow, options } = this.client;
    try {
      if (limit === undefined)
        return (await workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
      const { history } = await workflowService.getWorkflowExecutionHistory({
        ...{ namespace: options.namespace, execution: { workflowId, runId }, maximumPageSize: limit },
      });
      return history?.events ?? [];
    } catch (error) {
      if (isNotFound(error) || (error as Error).name === 'WorkflowNotFoundError') return undefined;
      throw error;
    }
  }

  /** The run that has the workflow id now. */
  async #latest() {
    const description = await describe(this.client, this.run.workflowId);
    if (!description) return undefined;
    const { status, memo, runId } = description;
    return {
      runId,
      isRunning: status.name === 'RUNNING',
      isSuccess: status.name === 'COMPLETED',
      mark: replayMark(memo),
    };
  }

  async #resetRunId(): Promise<string | undefined> {
    const { workflowId, runId } = this.run;
    const description = await describe(this.client, workflowId, runId);
    return description?.raw.workflowExtendedInfo?.resetRunId || undefined;
  }
}

async function describe(client: Client, workflowId: string, runId?: string) {
  try {
    return await client.workflow.getHandle(workflowId, runId).describe();
  } catch (error) {
    if (isNotFound(error) || (error as Error).name === 'WorkflowNotFoundError') return undefined;
    throw error;
  }
}
