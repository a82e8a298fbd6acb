/** What workers, closers and reconcilers tell the audit. A call returns when what it tells is durable. */
import type { AuditStore } from '../engines/contract.js';
import type { BatchRef, PipelineEvent, PipelineRun, RunStart } from '../domain/model.js';
import { Delivery, Leaving } from './delivery.js';
import type { DeliveryOptions } from './delivery.js';
import { Gate } from './gate.js';
import type { RunHistory } from './history.js';
import type { GoodEnd } from './ledger/closeRuns.js';
import { auditMetrics } from './metrics.js';
import { RunCache } from './runCache.js';

export class Recorder {
  readonly #batches = new RunCache<BatchRef>();
  /** Runs whose row shows that a workflow task failed: their next activation opens them again, which clears it. */
  readonly #stuck = new Set<string>();
  readonly #delivery: Delivery;

  constructor(
    readonly options: DeliveryOptions,
    /** Closed while no new batch may begin. */
    readonly gate = new Gate(),
  ) {
    this.#delivery = new Delivery(options, gate, (runID) => this.knownBatch(runID));
  }

  /** Opens the store. What a person has to mend is thrown; a store that does not answer is waited for. */
  start(): Promise<void> {
    return this.#delivery.start();
  }

  /** The store, while it takes changes and knows all that this worker has seen. */
  get store(): AuditStore | undefined {
    return this.#delivery.store;
  }

  /** What waits in the outbox for this store. */
  waiting(): Promise<{ waiting: number; oldest: string | undefined }> {
    return this.#delivery.waiting();
  }

  /** Tells the store from all others; known as soon as the first batch is. */
  get storeID(): string {
    const { storeID } = this.#delivery;
    if (storeID === undefined) throw new Error('The audit store has not been reached yet');
    return storeID;
  }

  /** The run's batch; its row is durable when this returns. */
  open(start: RunStart, from?: string): Promise<BatchRef> {
    if (this.#stuck.delete(start.RunID)) this.#batches.forget(start.RunID);
    const find = (): Promise<BatchRef> =>
      this.#batches.get(start.RunID, () => this.#delivery.write('open', start, { fate: 'wait', from }));
    // An activity may have asked first, in vain, because its question went to Temporal; ours goes to the store only.
    return find().catch((error: unknown) =>
      error instanceof Leaving && this.#delivery.isLeaving(from) ? Promise.reject(error) : find(),
    );
  }

  /** The batch of a run that this process works on, unless so many others came since that it is forgotten. */
  knownBatch(runID: string): BatchRef | undefined {
    return this.#batches.known(runID);
  }

  /** The batch of a run that may have been opened by another worker; `start` is asked only if nobody did. */
  batchOf(
    run: Pick<BatchRef, 'WorkflowID' | 'RunID'>,
    start: () => Promise<RunStart>,
    from?: string,
  ): Promise<BatchRef> {
    const find = (): Promise<BatchRef> =>
      this.#batches.get(
        run.RunID,
        async () =>
          (await this.#delivery.write('find', run, { fate: 'wait', from })) ??
          (await this.#delivery.write('open', await start(), { fate: 'wait', from })),
      );
    // Another worker of this process may have asked first, and left.
    return find().catch((error: unknown) =>
      error instanceof Leaving && !this.#delivery.isLeaving(from) ? find() : Promise.reject(error as Error),
    );
  }

  async record(events: readonly PipelineEvent[], from?: string): Promise<void> {
    await this.#delivery.write('record', events, { fate: 'keep', from });
  }

  /** Of events that nobody waits for until something else is recorded, or a little time has passed. */
  async recordPatiently(events: readonly PipelineEvent[], from?: string): Promise<void> {
    await this.#delivery.write('record', events, { fate: 'keep', from, isPatient: true });
  }

  /** What a worker that leaves saw of a run that it could not open: the events' LogID is not looked at. */
  async recordUnopened(start: RunStart, events: readonly PipelineEvent[], from: string): Promise<void> {
    await this.#delivery.write('openAndRecord', { start, events }, { fate: 'keep', from });
  }

  async noteTaskFailure(start: RunStart, message: string, from?: string): Promise<void> {
    this.#stuck.add(start.RunID);
    await this.#delivery.write('note', { start, message }, { fate: 'keep', from });
  }

  /** Shows that runs ended well, before their histories are read. Rejects when the store refuses it. */
  async close(ends: readonly GoodEnd[]): Promise<void> {
    await Promise.all(
      ends.map((end) => this.#delivery.write('close', end, { fate: 'try', isPatient: true })),
    );
  }

  /**
   * Closes a run by its history. Rejects when the store refuses it; the closer comes back to it. Answers undefined when
   * somebody was faster.
   */
  async settle(history: RunHistory): Promise<PipelineRun | undefined> {
    const run = await this.#delivery.write('settle', history, { fate: 'try' });
    if (run) {
      auditMetrics().certificates.add(1);
      auditMetrics().gapsHealed.add(run.GapCount ?? 0);
    }
    return run;
  }

  /** Closes a run that nobody will come back to. */
  async settleForSure(history: RunHistory): Promise<void> {
    await this.#delivery.write('settle', history, { fate: 'keep' });
  }

  /** A worker begins to take work. */
  arrive(from: string): void {
    this.#delivery.arrive(from);
  }

  /** This worker shuts down: what it waits for is given up, now and from now on, while the store does not answer. */
  leave(from: string): void {
    this.#delivery.leave(from);
  }

  /** Writes what is queued, or puts it into the outbox, and closes both. Does not wait for a store that does not answer. */
  shutdown(): Promise<void> {
    return this.#delivery.shutdown();
  }
}
