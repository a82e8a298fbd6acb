/** The reads of Temporal's API that the audit needs, for one namespace. */
import type { Client } from '@temporalio/client';
import type { RunStart } from '../domain/model.js';
import { parseHistory, parseStart } from './history.js';
import type { HistoryEvent, RunHistory } from './history.js';

const ANSWER_MS = 10_000;

export interface RunKey {
  readonly WorkflowID: string;
  readonly RunID: string;
}

export class TemporalReader {
  /** `client` may be replaced: workers of one namespace come and go with connections of their own. */
  constructor(
    public client: Client,
    readonly namespace: string,
  ) {}

  /** Nothing that Temporal does not answer may hold up a worker's shutdown. */
  #ask<T>(request: () => Promise<T>): Promise<T> {
    return this.client.withDeadline(Date.now() + ANSWER_MS, request);
  }

  /** The whole history; when the run is still open, waits up to `patienceMs` for its close. */
  async history({ WorkflowID, RunID }: RunKey, patienceMs: number): Promise<RunHistory> {
    const events: HistoryEvent[] = [];
    const parse = () =>
      parseHistory(this.namespace, WorkflowID, RunID, events, this.client.options.loadedDataConverter);
    const deadline = Date.now() + patienceMs;
    let nextPageToken: Uint8Array | undefined;
    do {
      const page = await this.#page(WorkflowID, RunID, nextPageToken, patienceMs > 0, deadline);
      if (!page) break;
      events.push(...(page.history?.events ?? []));
      nextPageToken = page.nextPageToken ?? undefined;
    } while (nextPageToken && nextPageToken.length > 0);
    return parse();
  }

  async #page(
    workflowId: string,
    runId: string,
    nextPageToken: Uint8Array | undefined,
    waitNewEvent: boolean,
    deadline: number,
  ) {
    const request = {
      namespace: this.namespace,
      execution: { workflowId, runId },
      waitNewEvent,
      ...(nextPageToken ? { nextPageToken } : {}),
    };
    const ask = () => this.client.workflowService.getWorkflowExecutionHistory(request);
    // Without a token there is nothing to wait for yet: the first page comes at once.
    if (!nextPageToken || !waitNewEvent) return this.#ask(ask);
    try {
      return await this.client.withDeadline(deadline, ask);
    } catch (error) {
      if (Date.now() >= deadline) return undefined;
      throw error;
    }
  }

  /** What the run's start event says. */
  async start({ WorkflowID, RunID }: RunKey): Promise<RunStart> {
    const { history } = await this.#ask(() =>
      this.client.workflowService.getWorkflowExecutionHistory({
        namespace: this.namespace,
        execution: { workflowId: WorkflowID, runId: RunID },
        maximumPageSize: 1,
      }),
    );
    const converter = this.client.options.loadedDataConverter;
    return parseStart(this.namespace, WorkflowID, RunID, history?.events?.[0] ?? {}, converter);
  }

  /** The run that a reset made of this one. */
  async resetSuccessor({ WorkflowID, RunID }: RunKey): Promise<RunKey | undefined> {
    const { workflowExtendedInfo } = await this.#ask(() =>
      this.client.workflowService.describeWorkflowExecution({
        namespace: this.namespace,
        execution: { workflowId: WorkflowID, runId: RunID },
      }),
    );
    const next = workflowExtendedInfo?.resetRunId;
    return next ? { WorkflowID, RunID: next } : undefined;
  }

  /** Those of the runs that have ended. */
  async ended(runs: readonly RunKey[]): Promise<RunKey[]> {
    if (runs.length === 0) return [];
    const ids = runs.map(({ RunID }) => `'${RunID}'`).join(', ');
    const { executions } = await this.#ask(() =>
      this.client.workflowService.listWorkflowExecutions({
        namespace: this.namespace,
        query: `ExecutionStatus != 'Running' AND RunId IN (${ids})`,
        pageSize: runs.length,
      }),
    );
    return (executions ?? []).map(({ execution }) => ({
      WorkflowID: execution?.workflowId ?? '',
      RunID: execution?.runId ?? '',
    }));
  }
}
