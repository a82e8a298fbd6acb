/**
 * A real store that refuses at once what it is told to refuse: a fake only to cause a fault, because a database that is
 * down, or has a constraint that hits one row, can't be had at a chosen moment.
 */
import type { PipelineEvent } from '../../src/domain/model.js';
import type { AuditStore, AuditTransaction, NewBatch, UncertifiedPage } from '../../src/engines/contract.js';

const DOWN = 'connection refused';

export class FaultyStore implements AuditStore {
  isDown = false;
  /** How many transactions were tried while it was down. */
  tries = 0;
  refusesEvent: (event: PipelineEvent) => boolean = () => false;
  refusesSettling = false;
  refusesBatch: (batch: NewBatch) => boolean = () => false;

  constructor(readonly real: AuditStore) {}

  get pace() {
    return this.real.pace;
  }
  migrate = () => this.real.migrate();
  storeID = () => this.real.storeID();
  uncertifiedRuns = (page: UncertifiedPage) => this.real.uncertifiedRuns(page);
  countOpenRuns = (namespace: string) => this.real.countOpenRuns(namespace);
  close = () => this.real.close();

  async transaction<T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> {
    if (this.isDown) {
      this.tries++;
      throw new Error(DOWN);
    }
    return this.real.transaction((tx) =>
      work({
        ...tx,
        addEvents: async (events) => {
          if (events.some((event) => this.refusesEvent(event))) throw new Error('refused for good');
          return tx.addEvents(events);
        },
        readBatches: async (logIDs) => {
          if (this.refusesSettling && logIDs.length > 0) throw new Error('refused for good');
          return tx.readBatches(logIDs);
        },
        openBatches: async (batches) => {
          if (batches.some((batch) => this.refusesBatch(batch))) throw new Error('refused for good');
          return tx.openBatches(batches);
        },
      }),
    );
  }
}
