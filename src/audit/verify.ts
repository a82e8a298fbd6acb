/** Holds what the audit says of a batch against its seal and against Temporal's histories. It changes nothing. */
import type { BatchRecord, PipelineEvent, PipelineRun, Seal } from '../domain/model.js';
import { isoTime } from '../domain/time.js';
import type { RunHistory } from './history.js';
import { eventHash, rootOf, sealable } from './proof.js';
import { settleRun } from './settle.js';
import type { Verdict, Verified } from './verdict.js';
import { isNotFound } from './temporalReader.js';
import type { TemporalReader } from './temporalReader.js';

export async function verifyBatch(
  record: BatchRecord,
  seal: Seal | undefined,
  temporal: TemporalReader,
): Promise<Verified> {
  const findings = new Findings();
  checkHashes(record, findings);
  checkSeal(record, seal, findings);
  for (const run of record.runs) {
    if (record.batch.WorkflowType === null) findings.note('no history');
    else await checkRun(record, run, temporal, findings);
  }
  if (record.runs.length === 0) findings.add('gap', 'the batch has no run');
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

function checkHashes({ events }: BatchRecord, findings: Findings): void {
  for (const event of events) {
    if (eventHash(event) !== event.EventHash) {
      findings.add('altered', `${nameOf(event)} differs from its hash`);
    }
  }
}

function checkSeal(record: BatchRecord, seal: Seal | undefined, findings: Findings): void {
  const content = sealable(record);
  if (!seal) {
    if (content !== undefined) findings.add('altered', 'it is certified and has no seal');
  } else if (rootOf(content ?? '', seal) !== seal.Root) {
    findings.add(
      'altered',
      `its rows differ from seal ${seal.SealNo} of ${seal.SealedAt}: something was changed, deleted or inserted`,
    );
  }
}

async function checkRun(
  record: BatchRecord,
  run: PipelineRun,
  temporal: TemporalReader,
  findings: Findings,
): Promise<void> {
  const history = await readHistory(temporal, record, run);
  if (!history) {
    findings.note('beyond retention');
    if (run.CertifiedAt === null || run.CertifiedEventID === null) {
      findings.add('gap', `run ${run.RunID} was not certified before Temporal erased its history`);
    }
  } else if (!history.end) {
    if (run.Status === 'Running') findings.note('running');
    else findings.add('altered', `run ${run.RunID} is ${run.Status} here, and goes on in Temporal`);
  } else if (run.CertifiedAt === null) {
    findings.add('pending', `run ${run.RunID} ended at ${history.end.time} and is not certified yet`);
  } else {
    compare(record, run, history, findings);
  }
}

async function readHistory(
  temporal: TemporalReader,
  { batch }: BatchRecord,
  { RunID }: PipelineRun,
): Promise<RunHistory | undefined> {
  try {
    return await temporal.history({ WorkflowID: batch.WorkflowID ?? '', RunID });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
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

function nameOf({ StepName, Attempt, EventType, EventID, ActivityID }: PipelineEvent): string {
  const attempt = Attempt === null ? '' : ` (activity ${ActivityID}, attempt ${Attempt})`;
  return `event ${EventID}, ${EventType} of ${StepName}${attempt},`;
}
