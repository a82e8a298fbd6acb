/** The reads of Temporal's API that the audit needs, for one namespace. */
import { isGrpcServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { InputPolicy } from '../domain/inputPolicy.js';
import type { RunStart } from '../domain/model.js';
import { parseHistory, parseStart } from './history.js';
import type { RunHistory } from './history.js';
import { time } from './historyEvent.js';
import type { HistoryEvent } from './historyEvent.js';

const ANSWER_MS = 10_000;
const PAGE_SIZE = 500;

export interface RunKey {
  readonly WorkflowID: string;
  readonly RunID: string;
}

export interface EndedRun extends RunKey {
  /** Only of an end that says everything by itself; why a run failed is in its history. */
  readonly Status: 'Success' | 'Continued' | undefined;
  readonly EndTime: string;
}

export interface ClosedRun extends RunKey {
  readonly StartTime: string;
  readonly EndTime: string;
}

/** gRPC's codes. */
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;

/** Temporal does not know the run, or no longer. */
export function isNotFound(error: unknown): boolean {
  return isGrpcServiceError(error) && Number(error.code) === NOT_FOUND;
}

/** Temporal does not let this user read it. */
export function isDenied(error: unknown): boolean {
  return isGrpcServiceError(error) && Number(error.code) === PERMISSION_DENIED;
}

const { WorkflowExecutionStatus } = proto.temporal.api.enums.v1;

const GOOD_ENDS: Partial<Record<number, 'Success' | 'Continued'>> = {
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED]: 'Success',
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW]: 'Continued',
};

export class TemporalReader {
  /** Asked anew each time: workers of one namespace come and go, and replace their connections. */
  constructor(
    public clientOf: () => Client,
    readonly namespace: string,
    /** Closed runs in one answer. */
    readonly pageSize = PAGE_SIZE,
    readonly inputs: InputPolicy = {},
  ) {}

  get client(): Client {
    return this.clientOf();
  }

  /** The same for another namespace of the same server. */
  inNamespace(namespace: string): TemporalReader {
    return namespace === this.namespace ? this : new TemporalReader(this.clientOf, namespace);
  }

  /** Nothing that Temporal does not answer may hold up a worker's shutdown. */
  #ask<T>(request: () => Promise<T>): Promise<T> {
    return this.client.withDeadline(Date.now() + ANSWER_MS, request);
  }

  /** The whole history as it is now. */
  async history(run: RunKey): Promise<RunHistory> {
    const events: HistoryEvent[] = [];
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const request = { ...this.#requestFor(run), ...(nextPageToken ? { nextPageToken } : {}) };
      const page = await this.#ask(() => this.client.workflowService.getWorkflowExecutionHistory(request));
      events.push(...(page.history?.events ?? []));
      ({ nextPageToken } = page);
    } while (nextPageToken && nextPageToken.length > 0);
    const converter = this.client.options.loadedDataConverter;
    return parseHistory(this.namespace, run.WorkflowID, run.RunID, events, converter, this.inputs);
  }

  #requestFor({ WorkflowID, RunID }: RunKey) {
    return { namespace: this.namespace, execution: { workflowId: WorkflowID, runId: RunID } };
  }

  /** What the run's start event says, and for one that a reset made, when that was. */
  async start(run: RunKey): Promise<RunStart> {
    const request = { ...this.#requestFor(run), maximumPageSize: 1 };
    const { history } = await this.#ask(() =>
      this.client.workflowService.getWorkflowExecutionHistory(request),
    );
    const converter = this.client.options.loadedDataConverter;
    const first = history?.events?.[0] ?? {};
    const start = await parseStart(this.namespace, run.WorkflowID, run.RunID, first, converter);
    if (start.OriginalRunID === run.RunID) return start;
    const { workflowExecutionInfo } = await this.#describe(run);
    return { ...start, RunStartTime: time(workflowExecutionInfo?.startTime) };
  }

  #describe(run: RunKey) {
    return this.#ask(() => this.client.workflowService.describeWorkflowExecution(this.#requestFor(run)));
  }

  /** The run that a reset made of this one. */
  async resetSuccessor(run: RunKey): Promise<RunKey | undefined> {
    const { workflowExtendedInfo } = await this.#describe(run);
    const next = workflowExtendedInfo?.resetRunId;
    return next ? { WorkflowID: run.WorkflowID, RunID: next } : undefined;
  }

  /** Closed runs that match a visibility query, page by page, the latest first. */
  async *closed(query: string): AsyncGenerator<ClosedRun[]> {
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const request = {
        namespace: this.namespace,
        query: `ExecutionStatus != 'Running' AND (${query})`,
        pageSize: this.pageSize,
        ...(nextPageToken ? { nextPageToken } : {}),
      };
      const page = await this.#ask(() => this.client.workflowService.listWorkflowExecutions(request));
      yield (page.executions ?? []).map(({ execution, startTime, closeTime }) => ({
        WorkflowID: execution?.workflowId ?? '',
        RunID: execution?.runId ?? '',
        StartTime: time(startTime),
        EndTime: time(closeTime),
      }));
      ({ nextPageToken } = page);
    } while (nextPageToken && nextPageToken.length > 0);
  }

  /** How long the namespace keeps the histories of closed runs. */
  async retentionMs(): Promise<number> {
    const { config } = await this.#ask(() =>
      this.client.workflowService.describeNamespace({ namespace: this.namespace }),
    );
    return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000;
  }

  /** Throws when Temporal does not answer. */
  async tryOut(): Promise<void> {
    await this.retentionMs();
  }

  /** Those of the runs that have ended. */
  async ended(runs: readonly RunKey[]): Promise<EndedRun[]> {
    const executions = await this.#list(runs, "ExecutionStatus != 'Running' AND ");
    return executions.map(({ execution, status, closeTime }) => ({
      WorkflowID: execution?.workflowId ?? '',
      RunID: execution?.runId ?? '',
      Status: GOOD_ENDS[status ?? 0],
      EndTime: time(closeTime),
    }));
  }

  /** Those of the runs that visibility shows, by RunID: when they ended, undefined for those that go on. */
  async shown(runs: readonly RunKey[]): Promise<Map<string, string | undefined>> {
    const executions = await this.#list(runs, '');
    return new Map(
      executions.map(({ execution, closeTime }) => [
        execution?.runId ?? '',
        closeTime ? time(closeTime) : undefined,
      ]),
    );
  }

  async #list(runs: readonly RunKey[], condition: string) {
    if (runs.length === 0) return [];
    const ids = runs.map(({ RunID }) => `'${RunID}'`).join(', ');
    const { executions } = await this.#ask(() =>
      this.client.workflowService.listWorkflowExecutions({
        namespace: this.namespace,
        query: `${condition}RunId IN (${ids})`,
        pageSize: runs.length,
      }),
    );
    return executions ?? [];
  }

  /** Whether Temporal still knows the run. */
  async knows(run: RunKey): Promise<boolean> {
    try {
      await this.#describe(run);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
