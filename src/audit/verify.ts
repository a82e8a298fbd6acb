/** Holds what the audit says of a batch against its seal and against Temporal's histories. It changes nothing. */
import type { BatchRecord, PipelineRun, Seal } from '../domain/model.js';
import { isoTime } from '../domain/time.js';
import { findAltered, nameOf } from './findAltered.js';
import type { RunHistory } from './history.js';
import type { ProvenHistories } from './provenHistories.js';
import { settleRun } from './settle.js';
import type { Verdict, Verified } from './verdict.js';

export async function verifyBatch(
  record: BatchRecord,
  seal: Seal | undefined,
  histories: ProvenHistories,
): Promise<Verified> {
  const findings = new Findings();
  for (const text of findAltered(record, seal)) findings.add('altered', text);
  checkStatus(record, findings);
  for (const run of record.runs) {
    if (record.batch.WorkflowType !== null) await checkRun(record, run, histories, findings);
    else findings.note(run.Status === 'Running' ? 'running' : 'no history');
  }
  const { LogID, PipelineName, WorkflowID } = record.batch;
  return { LogID, PipelineName, WorkflowID, verdict: findings.verdict(), findings: findings.texts };
}

/** The worst first. */
const BY_WEIGHT: readonly Verdict[] = [
  'altered',
  'gap',
  'pending',
  'running',
  'beyond retention',
  'no history',
];

class Findings {
  readonly texts: string[] = [];
  readonly #verdicts = new Set<Verdict>();

  add(verdict: Verdict, text: string): void {
    this.note(verdict);
    this.texts.push(`${verdict}: ${text}`);
  }

  note(verdict: Verdict): void {
    this.#verdicts.add(verdict);
  }

  verdict(): Verdict {
    return BY_WEIGHT.find((verdict) => this.#verdicts.has(verdict)) ?? 'certified';
  }
}

/** A batch shows its latest run. One that was reset while it ran is terminated a moment before the next run is known. */
function checkStatus({ batch, runs }: BatchRecord, findings: Findings): void {
  const latest = runs.find(({ RunID }) => RunID === batch.RunID);
  if (!latest) {
    findings.add(
      'gap',
      runs.length === 0 ? 'the batch has no run' : `its latest run ${batch.RunID} is missing`,
    );
  } else if (
    latest.Status !== batch.Status &&
    !(batch.Status === 'Running' && latest.Status === 'Terminated')
  ) {
    findings.add('altered', `the batch is ${batch.Status}, and its run ${latest.RunID} is ${latest.Status}`);
  } else if (batch.Status === 'Running' && runs.every(({ Status }) => Status !== 'Running')) {
    findings.add(
      'pending',
      `a reset ended run ${latest.RunID}, and the batch does not go on in another one yet. Its worker opens that, or batchtrail reconcile when it has ended`,
    );
  }
}

async function checkRun(
  record: BatchRecord,
  run: PipelineRun,
  histories: ProvenHistories,
  findings: Findings,
): Promise<void> {
  const found = await histories.find(record.batch, run);
  const { history } = found;
  if (!history) {
    if (found.problem !== undefined) findings.add('gap', found.problem);
    else if (run.CertifiedEventID !== null) findings.note('beyond retention');
    else findings.add('gap', `run ${run.RunID} was not certified before Temporal erased its history`);
  } else if (!history.end) {
    if (run.Status === 'Running') findings.note('running');
    else findings.add('altered', `run ${run.RunID} is ${run.Status} here, and goes on in Temporal`);
  } else if (run.CertifiedAt === null) {
    findings.add('pending', `run ${run.RunID} ended at ${history.end.time} and is not certified yet`);
  } else {
    compare(record, run, history, findings);
  }
}

/** What settling would still change is what is wrong: it changes nothing where the rows say what history proves. */
function compare(record: BatchRecord, run: PipelineRun, history: RunHistory, findings: Findings): void {
  const settlement = settleRun(record, history, isoTime(Date.now()));
  const events = new Map(record.events.map((event) => [event.EventID, event]));
  for (const event of settlement.events) {
    const known = events.get(event.EventID);
    if (known) findings.add('altered', `${nameOf(known)} should be ${differences(known, event)}`);
    else findings.add('gap', `${nameOf(event)} is missing`);
  }
  for (const id of settlement.confirmed) {
    findings.add('altered', `${nameOf(events.get(id)!)} should have the witness both`);
  }
  const { CertifiedAt: _, GapCount: __, ...proven } = settlement.run;
  const wrongRun = differences(run, proven);
  if (wrongRun) findings.add('altered', `run ${run.RunID} should have ${wrongRun}`);
  const wrongBatch = differences(record.batch, settlement.batch);
  if (wrongBatch) findings.add('altered', `the batch should have ${wrongBatch}`);
  for (const { Rule } of settlement.raise) findings.add('gap', `an alert ${Rule} is missing`);
}

/** `Status Error instead of Success`, for each column. */
function differences<Row extends object>(known: Row, proven: Partial<Row>): string {
  return (Object.keys(proven) as Array<keyof Row & string>)
    .filter((column) => proven[column] !== known[column] && column !== 'EventHash')
    .map((column) => `${column} ${shown(proven[column])} instead of ${shown(known[column])}`)
    .join(', ');
}

function shown(value: unknown): string {
  const text = value === null ? 'nothing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
