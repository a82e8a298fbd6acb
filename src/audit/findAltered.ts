/** Holds what the audit says of a batch against its seal, and the hashes of its events. */
import type { BatchRecord, PipelineEvent, Seal } from '../domain/model.js';
import { eventHash, rootOf, sealable } from './proof.js';

/** What was changed since it was sealed, each in a sentence. */
export function findAltered(record: BatchRecord, seal: Seal | undefined): string[] {
  return [...alteredEvents(record), ...brokenSeal(record, seal)];
}

function alteredEvents({ events, runs }: BatchRecord): string[] {
  const runIDs = new Set(runs.map(({ RunID }) => RunID));
  const findings: string[] = [];
  for (const event of events) {
    if (!runIDs.has(event.RunID)) {
      findings.push(`${nameOf(event)} is of run ${event.RunID}, which the batch does not have`);
    }
    if (eventHash(event) !== event.EventHash) findings.push(`${nameOf(event)} differs from its hash`);
  }
  return findings;
}

function brokenSeal(record: BatchRecord, seal: Seal | undefined): string[] {
  const content = sealable(record);
  if (!seal) return content === undefined ? [] : ['it is certified and has no seal'];
  if (rootOf(content ?? '', seal) === seal.Root) return [];
  return [
    `its rows differ from seal ${seal.SealNo} of ${seal.SealedAt}: something was changed, deleted or inserted`,
  ];
}

export function nameOf({ StepName, Attempt, EventType, EventID, ActivityID }: PipelineEvent): string {
  const attempt = Attempt === null ? '' : ` (activity ${ActivityID}, attempt ${Attempt})`;
  return `event ${EventID}, ${EventType} of ${StepName}${attempt},`;
}
