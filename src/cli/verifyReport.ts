/** What `batchtrail verify` prints, line by line as it is found: nobody can wait for, or hold, a million lines. */
import type { ClosedRun } from '../audit/temporalReader.js';
import { holds } from '../audit/verdict.js';
import type { Verified } from '../audit/verdict.js';
import type { Listener, Verification } from '../audit/verifyAudit.js';
import { painted, print, toJson } from './output.js';
import { oneLine } from './text.js';

/** Of the batches that hold, so many are listed. */
export const LISTED = 100;

export interface Report extends Listener {
  end(found: Verification): void;
}

export class TextReport implements Report {
  #holding = 0;

  batch(verified: Verified): void {
    const isHolding = holds(verified);
    if (isHolding && ++this.#holding > LISTED) return;
    const { LogID, PipelineName, WorkflowID, verdict, findings } = verified;
    const workflow = WorkflowID === null ? '' : ` (${oneLine(WorkflowID)})`;
    print(
      `Batch ${LogID}: ${isHolding ? verdict : painted('red', verdict)}, ${oneLine(PipelineName)}${workflow}`,
    );
    for (const text of findings) print(`    ${oneLine(text)}`);
  }

  missing({ WorkflowID, RunID, EndTime }: ClosedRun): void {
    print(
      `gap: run ${RunID} of workflow ${oneLine(WorkflowID)}, closed at ${EndTime}, has no batch. Run: batchtrail reconcile --since ${EndTime}`,
    );
  }

  end({ verdicts, purged, chain }: Verification): void {
    if (this.#holding > LISTED) print(`… and ${this.#holding - LISTED} more that hold; --json lists all`);
    for (const text of chain.findings) print(`altered: ${text}`);
    const counts = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`);
    print(
      `${batchCount({ verdicts })} batches: ${counts.join(', ') || 'nothing to verify'}. ${chain.seals} seals${purged > 0 ? `. ${purged} batches were purged` : ''}`,
    );
  }
}

/** One JSON document: each batch and each missing run in a line of its own. */
export class JsonReport implements Report {
  #list: 'batches' | 'missing' = 'batches';
  #isEmpty = true;

  constructor() {
    process.stdout.write('{ "batches": [');
  }

  batch(verified: Verified): void {
    this.#add(verified);
  }

  missing(run: ClosedRun): void {
    this.#beginMissing();
    this.#add(run);
  }

  end({ ok, verdicts, purged, chain }: Verification): void {
    this.#beginMissing();
    print(
      `\n], "chain": ${toJson(chain)}, "verdicts": ${toJson(verdicts)}, "purged": ${purged}, "ok": ${ok} }`,
    );
  }

  #beginMissing(): void {
    if (this.#list === 'missing') return;
    this.#list = 'missing';
    this.#isEmpty = true;
    process.stdout.write('\n], "missing": [');
  }

  #add(value: unknown): void {
    process.stdout.write(`${this.#isEmpty ? '' : ','}\n${toJson(value)}`);
    this.#isEmpty = false;
  }
}

function batchCount({ verdicts }: Pick<Verification, 'verdicts'>): number {
  return Object.values(verdicts).reduce((sum, count) => sum + count, 0);
}
