/**
 * What makes a changed row show: the hash of each event, and the root of what the audit says of a batch. The form that
 * is hashed is the same on every engine: JSON of the values in the order of the columns.
 */
import { hash } from 'node:crypto';
import {
  PIPELINE_EVENT_COLUMNS,
  PIPELINE_LOG_COLUMNS,
  PIPELINE_RUN_COLUMNS,
  TOMBSTONE_COLUMNS,
} from '../domain/columns.js';
import { fitted } from '../domain/fitted.js';
import type {
  BatchRecord,
  PipelineEvent,
  PipelineLog,
  PipelineRun,
  Seal,
  Tombstone,
} from '../domain/model.js';

/** Not LogID and Witness: a batch's root has them beside the hash, and history's confirmation changes no event. */
const HASHED = PIPELINE_EVENT_COLUMNS.filter(
  (column) => column !== 'LogID' && column !== 'Witness' && column !== 'EventHash',
);

export function eventHash(event: PipelineEvent): string {
  return sha256(HASHED.map((column) => event[column]));
}

/** The event as it is written. */
export function hashed(event: PipelineEvent): PipelineEvent {
  const row = fitted(event);
  return { ...row, EventHash: eventHash(row) };
}

/**
 * What a seal covers: the runs that are proven, all events but those of runs that are not proven yet, and the batch's
 * row, unless a run of it goes on. Undefined for a batch of which nothing is proven yet.
 */
export function sealable({ batch, runs, events }: BatchRecord): string | undefined {
  const proven = runs.filter((run) => isProven(batch, run));
  if (proven.length === 0) return undefined;
  const going = new Set(runs.filter((run) => !isProven(batch, run)).map(({ RunID }) => RunID));
  return sha256([
    batch.LogID,
    going.size === 0 ? PIPELINE_LOG_COLUMNS.map((column) => batch[column]) : null,
    proven.map((run) => JSON.stringify(PIPELINE_RUN_COLUMNS.map((column) => run[column]))).sort(),
    events
      .filter(({ RunID }) => !going.has(RunID))
      .map(({ EventID, EventHash, Witness }) => `${EventID} ${EventHash} ${Witness}`)
      .sort(),
  ]);
}

/** Of an activity without a workflow there is no history; its row is all there will ever be. */
export function isProven({ WorkflowType }: PipelineLog, { CertifiedAt, Status }: PipelineRun): boolean {
  return WorkflowType === null ? Status !== 'Running' : CertifiedAt !== null;
}

/** What the last seal of a batch covers that was purged: which runs it had, and who purged it when. */
export function purgedContent(tombstones: readonly Tombstone[]): string {
  return sha256([
    'purged',
    tombstones
      .map((tombstone) => JSON.stringify(TOMBSTONE_COLUMNS.map((column) => tombstone[column])))
      .sort(),
  ]);
}

/** Each root contains the one before it, so none can be changed, taken out or put in without changing all that follow. */
export function rootOf(content: string, { SealNo, PrevRoot }: Pick<Seal, 'SealNo' | 'PrevRoot'>): string {
  return sha256([PrevRoot, SealNo, content]);
}

function sha256(values: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(values));
}
