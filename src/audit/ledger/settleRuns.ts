/** What happens to the audit tables when the histories of runs are known. */
import type { BatchRecord, PipelineEvent, PipelineRun } from '../../domain/model.js';
import type { RunHistory } from '../history.js';
import { hashed } from '../proof.js';
import { inputEvent, keptInput } from '../recordedInput.js';
import { settleRun } from '../settle.js';
import type { Settled, Settlement } from '../settle.js';
import type { Ledger } from './ledger.js';
import { openRuns } from './openRuns.js';
import { resolveRepaired } from './repairs.js';

/**
 * Closes runs by their histories: statuses, counts, retries and alerts as Temporal knows them. Answers the runs as they
 * are then; undefined for one that this history has certified before, also when it was read again for a late event.
 */
export async function settleRuns(
  ledger: Ledger,
  histories: readonly RunHistory[],
): Promise<Array<PipelineRun | undefined>> {
  const refs = await openRuns(
    ledger,
    histories.map(({ start }) => start),
  );
  const settled = new Map<string, PipelineRun>();
  let rest = histories.map((history, index) => ({ history, logID: refs[index]!.LogID }));
  // What the end of one run of a batch means depends on what was written about the other.
  while (rest.length > 0) {
    const round = new Map<number, RunHistory>();
    rest = rest.filter(({ history, logID }) => round.has(logID) || !round.set(logID, history));
    for (const one of await settleRound(ledger, round)) settled.set(one.RunID, one);
  }
  return histories.map(({ start }) => settled.get(start.RunID));
}

/** At most one run of each batch. */
async function settleRound(
  ledger: Ledger,
  histories: ReadonlyMap<number, RunHistory>,
): Promise<PipelineRun[]> {
  const { tx, now } = ledger;
  const records = await tx.readBatches([...histories.keys()]);
  const settled = records
    .map((record) => ({ record, history: histories.get(record.batch.LogID)! }))
    .filter(({ record, history }) => !isCertified(record, history))
    .map(({ record, history }) => ({ record, history, settlement: settle(record, history, now) }));
  const runs = await writeSettlements(ledger, settled);
  return runs.filter((_, index) => !wasCertified(settled[index]!));
}

/** With what that means for other batches. Answers the runs as they are then, in the order of the argument. */
export async function writeSettlements(ledger: Ledger, settled: readonly Settled[]): Promise<PipelineRun[]> {
  const { tx, now } = ledger;
  const all = <T>(part: (settlement: Settlement) => T[]): T[] =>
    settled.flatMap(({ settlement }) => part(settlement));
  const after = settled.map(({ record, history, settlement }) => settledRecord(record, history, settlement));
  await tx.putEvents(all(({ events }) => events));
  await tx.confirmEvents(all(({ confirmed }) => confirmed));
  const runs = settled.map(({ history }, index) =>
    after[index]!.runs.find(({ RunID }) => RunID === history.start.RunID)!,
  );
  await tx.updateRuns(runs);
  await tx.updateBatches(after.map(({ batch }) => batch));
  await tx.insertAlerts(all(({ raise }) => raise));
  await tx.resolveAlerts(
    all(({ resolve }) => resolve),
    now,
  );
  for (const record of after) ledger.certified(record);
  await resolveRepaired(ledger, settled);
  return runs;
}

/** A late event had taken its certificate away. */
function wasCertified({ record: { runs }, history: { start, lastEventID } }: Settled): boolean {
  const before = runs.find(({ RunID }) => RunID === start.RunID);
  return before?.CertifiedEventID != null && before.CertifiedEventID === lastEventID;
}

export function settle(record: BatchRecord, history: RunHistory, now: string): Settlement {
  const settlement = settleRun(record, history, now);
  return { ...settlement, events: [...settlement.events, ...newInput(record, history)].map(hashed) };
}

function newInput(record: BatchRecord, { start, end, input }: RunHistory): PipelineEvent[] {
  if (!end || input?.kept === undefined || keptInput(record) !== undefined) return [];
  const { LogID } = record.batch;
  return [inputEvent({ LogID, RunID: start.RunID }, start.StartTime, input.kept)];
}

/** What the tables say of the batch when the settlement is written. */
function settledRecord(record: BatchRecord, { start }: RunHistory, settlement: Settlement): BatchRecord {
  const events = new Map(record.events.map((event): [string, PipelineEvent] => [event.EventID, event]));
  for (const id of settlement.confirmed) events.set(id, { ...events.get(id)!, Witness: 'both' });
  for (const event of settlement.events) events.set(event.EventID, event);
  return {
    batch: { ...record.batch, ...settlement.batch },
    runs: record.runs.map((run) => (run.RunID === start.RunID ? { ...run, ...settlement.run } : run)),
    events: [...events.values()],
    alerts: record.alerts,
  };
}

/** Another worker may have read the same history. */
function isCertified({ runs }: BatchRecord, { start, lastEventID }: RunHistory): boolean {
  const run = runs.find(({ RunID }) => RunID === start.RunID);
  return run?.CertifiedAt != null && run.CertifiedEventID === lastEventID;
}
