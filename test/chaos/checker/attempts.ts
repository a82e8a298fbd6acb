/** The attempts that there must have been, by the journals and by Temporal's histories. */
import type { JournalLine } from '../journal.js';
import type { EventRow } from './auditRows.js';
import type { TemporalActivity, TemporalRun } from './temporalRuns.js';

export interface ExpectedAttempt {
  readonly run: TemporalRun;
  readonly ActivityID: string;
  readonly Attempt: number;
  /** Its line in a journal, when it came so far. */
  readonly journal: JournalLine | undefined;
  /** What history says, when it is the activity's last attempt. */
  readonly last: TemporalActivity | undefined;
  /** Whether history alone proves this attempt. */
  readonly isInHistory: boolean;
  /** Temporal has the failure that its worker reported, and tried again. */
  readonly isReported: boolean;
  /** A journal tells of a later one. A server that stops may have counted an attempt that reached no worker's code. */
  readonly hasSuccessor: boolean;
  /** Temporal ended the activity before any worker had taken it, so this one has no start. */
  readonly hasNoStart: boolean;
}

export const attemptKey = (RunID: string, ActivityID: string, Attempt: number): string =>
  `${RunID} ${ActivityID} ${Attempt}`;

export function isStart({ EventType }: EventRow): boolean {
  return EventType === 'start';
}

export function isEnd({ EventType }: EventRow): boolean {
  return ['success', 'failure', 'retry', 'cancelled', 'lost'].includes(EventType);
}

export function expectedAttempts(
  runs: readonly TemporalRun[],
  journal: readonly JournalLine[],
  events: readonly EventRow[],
): ExpectedAttempt[] {
  const lines = new Map(journal.map((line) => [attemptKey(line.RunID, line.ActivityID, line.Attempt), line]));
  const seen = lastSeen(journal, events);
  return runs.flatMap((run) =>
    run.activities
      .filter(({ isCopied }) => !isCopied)
      .flatMap((activity) => attemptsOf(run, activity, lines, seen)),
  );
}

function attemptsOf(
  run: TemporalRun,
  activity: TemporalActivity,
  lines: ReadonlyMap<string, JournalLine>,
  seen: ReadonlyMap<string, number>,
): ExpectedAttempt[] {
  const { ActivityID } = activity;
  const seenLast = seen.get(`${run.RunID} ${ActivityID}`) ?? 0;
  const hasNoStart = activity.end !== undefined && activity.attempt === 0 && seenLast === 0;
  // History does not name the attempt of an activity that is tried again when the run ends.
  const last = hasNoStart ? 1 : Math.max(activity.attempt, seenLast);
  const all = Array.from({ length: last }, (_, index) => index + 1);
  const lastNoted = all.findLast((Attempt) => lines.has(attemptKey(run.RunID, ActivityID, Attempt))) ?? 0;
  return all.map((Attempt) => ({
    run,
    ActivityID,
    Attempt,
    journal: lines.get(attemptKey(run.RunID, ActivityID, Attempt)),
    last: Attempt === last ? activity : undefined,
    isInHistory: Attempt <= activity.attempt,
    isReported: Attempt === activity.reported,
    hasSuccessor: Attempt < lastNoted,
    hasNoStart,
  }));
}

/** The highest attempt of each activity that a journal or an event names. */
function lastSeen(journal: readonly JournalLine[], events: readonly EventRow[]): Map<string, number> {
  const seen = new Map<string, number>();
  for (const { RunID, ActivityID, Attempt } of [...journal, ...events]) {
    if (ActivityID === null || Attempt === null) continue;
    const key = `${RunID} ${ActivityID}`;
    seen.set(key, Math.max(Attempt, seen.get(key) ?? 0));
  }
  return seen;
}
