/**
 * What the reconciler and the closer ask of Temporal, answered from a list of runs: only to cause what a real server
 * can't be made to do at a chosen moment, as a history that can't be read, or one that retention has erased.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RunHistory } from '../../src/audit/history.js';
import type { ClosedRun, RunKey, TemporalReader } from '../../src/audit/temporalReader.js';
import type { BatchStatus, RunStart } from '../../src/domain/model.js';
import { runHistory, runStart } from '../contract/rows.js';

interface Known {
  readonly history: RunHistory;
  /** undefined: it goes on. */
  readonly EndTime: string | undefined;
}

export class StubTemporal {
  readonly namespace = 'default';
  readonly known = new Map<string, Known>();
  /** RunIDs, in the order in which their histories were asked for. */
  readonly reads: string[] = [];
  readonly queries: string[] = [];
  readonly faults = new Map<string, Error>();
  readonly answerMs = new Map<string, number>();
  isDown = false;
  retention = 0;

  get reader(): TemporalReader {
    return this as unknown as TemporalReader;
  }

  /** A run that closed at this time. */
  closedRun(EndTime: string, more: Partial<RunStart> = {}, status: BatchStatus = 'Success'): RunStart {
    const start = runStart({ StartTime: EndTime, ...more });
    this.known.set(start.RunID, { history: runHistory(start, { status, time: EndTime }), EndTime });
    return start;
  }

  runningRun(more: Partial<RunStart> = {}): RunStart {
    const start = runStart(more);
    this.known.set(start.RunID, { history: { ...runHistory(start), end: undefined }, EndTime: undefined });
    return start;
  }

  async history({ RunID }: RunKey): Promise<RunHistory> {
    this.#answer();
    this.reads.push(RunID);
    await delay(this.answerMs.get(RunID) ?? 0);
    const fault = this.faults.get(RunID);
    if (fault) throw fault;
    const known = this.known.get(RunID);
    if (!known) throw notFound();
    return known.history;
  }

  async *closed(query: string): AsyncGenerator<ClosedRun[]> {
    this.#answer();
    this.queries.push(query);
    const since = /CloseTime >= '(.*?)'/.exec(query)?.[1] ?? '';
    const until = /CloseTime < '(.*?)'/.exec(query)?.[1] ?? '9';
    yield [...this.known.values()].flatMap(({ history: { start }, EndTime }) =>
      EndTime !== undefined && EndTime >= since && EndTime < until
        ? [{ WorkflowID: start.WorkflowID, RunID: start.RunID, StartTime: start.StartTime, EndTime }]
        : [],
    );
  }

  async ended(runs: readonly RunKey[]) {
    const shown = await this.shown(runs);
    return runs.flatMap(({ WorkflowID, RunID }) => {
      const EndTime = shown.get(RunID);
      const status = this.known.get(RunID)?.history.end?.status;
      const Status = status === 'Success' ? status : undefined;
      return EndTime === undefined ? [] : [{ WorkflowID, RunID, Status, EndTime }];
    });
  }

  async shown(runs: readonly RunKey[]): Promise<Map<string, string | undefined>> {
    this.#answer();
    return new Map(
      runs.flatMap(({ RunID }) => {
        const known = this.known.get(RunID);
        return known ? [[RunID, known.EndTime]] : [];
      }),
    );
  }

  async knows({ RunID }: RunKey): Promise<boolean> {
    return this.known.has(RunID);
  }

  async retentionMs(): Promise<number> {
    this.#answer();
    return this.retention;
  }

  async tryOut(): Promise<void> {
    this.#answer();
  }

  #answer(): void {
    if (this.isDown) throw new Error('unavailable');
  }
}

/** As the server's answer comes through gRPC. */
export function notFound(): Error {
  return Object.assign(new Error('workflow execution not found'), { code: 5, details: '', metadata: {} });
}
