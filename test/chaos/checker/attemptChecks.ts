/** Whether each attempt has its start and its end, once, and ended as Temporal says. */
import type { JournalLine } from '../journal.js';
import { attemptKey, expectedAttempts, isEnd, isStart, type ExpectedAttempt } from './attempts.js';
import type { AuditRows, EventRow } from './auditRows.js';
import type { Finding } from './finding.js';
import type { TemporalRun } from './temporalRuns.js';

/** A worker process that was killed, and when. */
export interface Killed {
  readonly process: string;
  readonly pid: number;
  readonly at: number;
}

export interface AttemptFindings {
  readonly findings: Finding[];
  /** What docs/how-it-works.md says can be missing. */
  readonly forgiven: Finding[];
}

/** How long a worker may take to make a start durable: a store that does not answer is waited for before the outbox takes it. */
const START_MS = 6_000;
/** Runs whose history does not name the attempt that ran when they ended. */
const ENDED_FROM_OUTSIDE = ['Terminated', 'TimedOut'];

export function checkAttempts(
  audit: AuditRows,
  runs: readonly TemporalRun[],
  journal: readonly JournalLine[],
  killed: readonly Killed[],
): AttemptFindings {
  const logIDs = new Map(audit.runs.map(({ RunID, LogID }) => [RunID, LogID]));
  const events = eventsByAttempt(audit.events);
  const expected = expectedAttempts(runs, journal, audit.events);
  const findings: Finding[] = [];
  const forgiven: Finding[] = [];
  for (const attempt of expected) {
    const { run, ActivityID, Attempt } = attempt;
    // A run without a row is a finding of its own; its attempts would only repeat it.
    if (!logIDs.has(run.RunID)) continue;
    const about = {
      LogID: logIDs.get(run.RunID),
      WorkflowID: run.WorkflowID,
      RunID: run.RunID,
      ActivityID,
      Attempt,
    };
    const own = events.get(attemptKey(run.RunID, ActivityID, Attempt)) ?? [];
    const wrong = checkAttempt(attempt, own).map((finding) => ({ ...finding, ...about }));
    (own.length === 0 && mayBeMissing(attempt, killed) ? forgiven : findings).push(...wrong);
  }
  return { findings: [...findings, ...unproved(audit, expected, killed)], forgiven };
}

function checkAttempt(attempt: ExpectedAttempt, events: readonly EventRow[]): Finding[] {
  const starts = events.filter(isStart);
  const ends = events.filter(isEnd);
  const findings: Finding[] = [];
  const proof = [
    ...(attempt.journal ? [`the journal of ${attempt.journal.process}`] : []),
    ...(attempt.isInHistory || attempt.last?.end ? ["Temporal's history"] : []),
  ];
  const known = proof.length > 0 ? `this attempt is in ${proof.join(' and ')}` : 'a later attempt is known';
  if (events.length === 0) return [{ rule: 'attempt without events', what: known }];
  if (starts.length === 0 && !attempt.hasNoStart)
    findings.push({ rule: 'attempt without start', what: known });
  if (ends.length === 0) findings.push({ rule: 'attempt without end', what: known });
  for (const [kind, rows] of [
    ['start', starts],
    ['end', ends],
  ] as const) {
    if (rows.length < 2) continue;
    const types = rows.map(({ EventType }) => EventType).join(', ');
    findings.push({ rule: 'event doubled', what: `it has ${rows.length} events for its ${kind}: ${types}` });
  }
  const [end] = ends;
  const wrong = end && wrongEnd(attempt, end);
  return wrong ? [...findings, { rule: 'end of an attempt', what: wrong }] : findings;
}

/** What is wrong with how the audit says that this attempt ended. */
function wrongEnd(
  { last, isReported, run }: ExpectedAttempt,
  { EventType, Message }: EventRow,
): string | undefined {
  const isLate = Message?.includes('late: ') ?? false;
  const says = `the audit says ${EventType}${isLate ? ' (late)' : ''}`;
  if (last?.end) return EventType === last.end ? undefined : `Temporal says ${last.end}, ${says}`;
  if (isReported)
    return EventType === 'retry' ? undefined : `a worker reported its failure to Temporal, ${says}`;
  // `retry` reached Temporal before the run ended, or does not matter any more.
  if (isLate || EventType === 'lost' || EventType === 'retry') return undefined;
  return last ? `the run ended (${run.status}) while it ran, ${says}` : `a later attempt began, ${says}`;
}

/**
 * The known exception of docs/how-it-works.md: the worker died in the moments before the start was durable, and the run
 * was ended from outside before anybody tried the step again, so history does not know this attempt.
 */
function mayBeMissing(
  { journal, last, isInHistory, run }: ExpectedAttempt,
  killed: readonly Killed[],
): boolean {
  if (!journal || !last || isInHistory || !ENDED_FROM_OUTSIDE.includes(run.status ?? '')) return false;
  const death = killed.find(({ process }) => process === journal.process);
  return death !== undefined && death.at - journal.at <= START_MS;
}

/** Events of attempts that neither a journal nor a history tells of. */
function unproved(
  { events }: AuditRows,
  expected: readonly ExpectedAttempt[],
  killed: readonly Killed[],
): Finding[] {
  const proved = new Set(
    expected
      .filter(
        (attempt) => attempt.journal || attempt.isInHistory || attempt.hasSuccessor || attempt.hasNoStart,
      )
      .map(({ run, ActivityID, Attempt }) => attemptKey(run.RunID, ActivityID, Attempt)),
  );
  const findings = new Map<string, Finding>();
  for (const event of events) {
    const { LogID, RunID, ActivityID, Attempt, EventType } = event;
    if (ActivityID === null || Attempt === null) continue;
    const key = attemptKey(RunID, ActivityID, Attempt);
    if (proved.has(key) || diedBeforeItsLine(event, killed)) continue;
    const what = `${EventType}: neither a journal nor Temporal's history tells of this attempt`;
    findings.set(`${key} ${EventType}`, {
      rule: 'event of nothing',
      LogID,
      RunID,
      ActivityID,
      Attempt,
      what,
    });
  }
  return [...findings.values()];
}

/** The audit notes an attempt before the attempt's own code runs: a worker that is killed between leaves no line. */
function diedBeforeItsLine({ Worker, EventTime }: EventRow, killed: readonly Killed[]): boolean {
  const death = killed.find(({ pid }) => Worker?.startsWith(`${pid}@`));
  return death !== undefined && death.at - new Date(EventTime).getTime() <= START_MS;
}

function eventsByAttempt(events: readonly EventRow[]): Map<string, EventRow[]> {
  const found = new Map<string, EventRow[]>();
  for (const event of events) {
    const { RunID, ActivityID, Attempt } = event;
    if (ActivityID === null || Attempt === null) continue;
    const key = attemptKey(RunID, ActivityID, Attempt);
    found.set(key, [...(found.get(key) ?? []), event]);
  }
  return found;
}
