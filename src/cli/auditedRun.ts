/** A run of a pipeline, watched through the audit. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchRecord, PipelineLog } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';

export type Outcome = Pick<PipelineLog, 'Status' | 'RetryStatus'>;

const TIMEOUT_MS = 60_000;

export class AuditedRun {
  constructor(
    readonly runID: string,
    readonly reader: AuditReader,
  ) {}

  /** Waits until the audit of this run says so: it is written while the pipeline runs. */
  async until(seen: (record: BatchRecord) => boolean): Promise<BatchRecord> {
    for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await delay(50)) {
      const record = await this.#read();
      if (record && seen(record)) return record;
    }
    throw new Error(`The audit did not show within ${TIMEOUT_MS / 1_000} s what run ${this.runID} had to do`);
  }

  /** Waits until Temporal's history has said the last word about the batch, and answers its number. */
  async endsAs(expected: Outcome): Promise<number> {
    const { batch } = await this.until(({ runs }) => runs.every(({ CertifiedAt }) => CertifiedAt !== null));
    if (outcomeText(batch) !== outcomeText(expected)) {
      throw new Error(
        `Batch ${batch.LogID} had to end as ${outcomeText(expected)}, but ended as ${outcomeText(batch)}${batch.ErrorMessage ? `: ${batch.ErrorMessage}` : ''}`,
      );
    }
    return batch.LogID;
  }

  async #read(): Promise<BatchRecord | undefined> {
    const batches = await this.reader.batches({ limit: 50 });
    const found = batches.find(({ RunID }) => RunID === this.runID);
    return found && this.reader.batch(found.LogID);
  }
}

export function outcomeText({ Status, RetryStatus }: Outcome): string {
  return RetryStatus === null ? Status : `${Status} (retries ${RetryStatus})`;
}
