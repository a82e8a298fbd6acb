/** The outbox as one process uses it, for the store that it writes to. */
import { randomUUID } from 'node:crypto';
import type { Logger } from '@temporalio/common';
import type { AuditStore } from '../engines/contract.js';
import type { Outbox, OutboxItem } from '../engines/outboxContract.js';
import { OutageLog } from './outageLog.js';
import { ship } from './shipper.js';
import type { Shipment, ShipOptions } from './shipper.js';

export class Mailbox {
  readonly #holder = randomUUID();
  readonly #fullLog: OutageLog;
  storeID: string | undefined;
  #outbox: Outbox | undefined;
  #additions = { begun: 0, done: 0 };
  /** How many of the additions are shipped. On a full disk, they may still be there. */
  #shipped = 0;

  constructor(
    readonly openOutbox: () => Promise<Outbox>,
    readonly logger: Logger,
  ) {
    this.#fullLog = new OutageLog(logger);
  }

  async open(): Promise<void> {
    this.#outbox = await this.openOutbox();
  }

  get outbox(): Outbox {
    if (!this.#outbox) throw new Error('The outbox is not open');
    return this.#outbox;
  }

  /** From now on it is known whose mail this process writes. */
  async belongsTo(storeID: string): Promise<void> {
    this.storeID = storeID;
    await this.outbox.bringBack(storeID);
  }

  /** Whether they are durable here: not on a full disk, nor as long as nobody knows which store they are for. */
  async add(items: readonly OutboxItem[]): Promise<boolean> {
    if (this.storeID === undefined) return false;
    this.#additions.begun++;
    try {
      await this.outbox.add(this.storeID, items);
      return true;
    } catch (error) {
      this.#fullLog.complain('The outbox did not take events; their steps wait for the audit store', {
        error,
      });
      return false;
    } finally {
      this.#additions.done++;
    }
  }

  /** Whether there is nothing to ship. */
  async isEmpty(): Promise<boolean> {
    return (await this.outbox.next(this.storeID!, 1)).length === 0;
  }

  /** Whether all that this process has added is shipped. What others add who share the file is theirs to wait for. */
  get isShipped(): boolean {
    return this.#shipped === this.#additions.begun;
  }

  async ship(store: AuditStore, options: ShipOptions): Promise<Shipment> {
    const { done } = this.#additions;
    const shipment = await ship(this.outbox, store, this.storeID!, this.#holder, options);
    if (!options.signal?.aborted) this.#shipped = done;
    if (shipment.leftBehind !== undefined) {
      this.#fullLog.complain('The outbox can not forget what was shipped, and ships it again another time', {
        error: shipment.leftBehind,
      });
    }
    return shipment;
  }

  /** What the store refused waits, too: for somebody who mends that. */
  async waiting(): Promise<{ waiting: number; oldest: string | undefined }> {
    const states = await this.outbox.state();
    const own = states.find(({ storeID }) => storeID === this.storeID);
    return { waiting: (own?.waiting ?? 0) + (own?.refused ?? 0), oldest: own?.oldest };
  }

  /** Says what an earlier process left behind. Answers whether any of it is shipped now. */
  async report(): Promise<boolean> {
    let isShipped = false;
    for (const { storeID, waiting, refused, oldest } of await this.outbox.state()) {
      if (this.storeID === undefined) {
        this.logger.warn('Events wait in the outbox until their audit store answers', {
          ...{ storeID, waiting: waiting + refused, oldest },
        });
      } else if (storeID === this.storeID) {
        this.logger.info('Events wait in the outbox and are shipped now', { waiting, oldest });
        isShipped = true;
      } else {
        this.logger.warn(
          'The outbox holds events of another audit store. Start a worker with that store, or: batchtrail outbox --ship',
          { storeID, waiting: waiting + refused, oldest },
        );
      }
    }
    return isShipped;
  }

  async close(): Promise<void> {
    await this.#outbox?.close();
  }
}
