import type { AuditStore, AuditTransaction } from '../../engines/contract.js';
import type { BatchRecord, Seal } from '../../domain/model.js';
import { isoTime } from '../../domain/time.js';
import { rootOf, sealable } from '../proof.js';

/** One transaction on the audit, which ends by sealing what it has proven or changed. */
export class Ledger {
  readonly #changed = new Set<number>();
  readonly #certified = new Map<number, BatchRecord>();
  #chainEnd: Promise<Seal | undefined> | undefined;

  constructor(
    readonly tx: AuditTransaction,
    readonly now: string,
  ) {}

  /** Rows of these batches were changed: those that have a seal get another one. */
  changed(logIDs: Iterable<number>): void {
    for (const logID of logIDs) this.#changed.add(logID);
  }

  /** A run of this batch was certified, and the record is what the tables say now. */
  certified(record: BatchRecord): void {
    const { LogID } = record.batch;
    if (this.#certified.has(LogID)) this.#changed.add(LogID);
    this.#certified.set(LogID, record);
  }

  /** From here on nobody else seals anything until this transaction ends. */
  holdChain(): Promise<Seal | undefined> {
    return (this.#chainEnd ??= this.tx.lastSeal());
  }

  async seal(): Promise<void> {
    const before = new Map(
      (await this.tx.findSeals([...this.#changed])).map((seal): [number, Seal] => [seal.LogID, seal]),
    );
    const stale = [...this.#changed].filter((logID) => before.has(logID) || this.#certified.has(logID));
    const records = [
      ...[...this.#certified.values()].filter(({ batch }) => !this.#changed.has(batch.LogID)),
      ...(await this.tx.readBatches(stale)),
    ];
    if (records.length === 0) return;
    let last = await this.holdChain();
    const seals: Seal[] = [];
    for (const record of records) {
      const { LogID } = record.batch;
      const content = sealable(record) ?? '';
      const known = before.get(LogID);
      if (known && rootOf(content, known) === known.Root) continue;
      const place = { SealNo: (last?.SealNo ?? 0) + 1, PrevRoot: last?.Root ?? null };
      last = { LogID, ...place, Root: rootOf(content, place), SealedAt: this.now };
      seals.push(last);
    }
    await this.tx.insertSeals(seals);
  }
}

/** Runs `work` as one transaction, with the seals that it calls for. */
export function inLedger<T>(
  store: AuditStore,
  work: (ledger: Ledger) => Promise<T>,
  now?: string,
): Promise<T> {
  return store.transaction(async (tx) => {
    const ledger = new Ledger(tx, now ?? isoTime(Date.now()));
    const result = await work(ledger);
    await ledger.seal();
    return result;
  });
}
