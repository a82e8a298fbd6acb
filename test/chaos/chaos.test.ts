/** The short form of `npm run test:chaos`, and proof that its checker is able to find something. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crashesOf, runChaos, type ChaosResult } from './chaos.js';
import { checkAttempts } from './checker/attemptChecks.js';
import type { EventRow } from './checker/auditRows.js';
import { check } from './checker/checker.js';
import { describeFinding, type Finding } from './checker/finding.js';
import type { TemporalRun } from './checker/temporalRuns.js';
import type { JournalLine } from './journal.js';
import { planFaults, type Fault } from './plan.js';
import { System } from './system.js';
import { WorkerSeat } from './workerSeat.js';

const SEED = 22;
const FAULTS_MS = 13_000;

let system: System;
let result: ChaosResult;

beforeAll(async () => {
  system = await System.start('sqlite', () => undefined);
  result = await runChaos(system, { store: 'sqlite', seed: SEED, ms: FAULTS_MS, atOnce: 8 });
}, 240_000);

afterAll(async () => {
  await system.stop();
  system.removeFiles();
});

describe('a short chaos run on SQLite', () => {
  it('leaves an audit that tells all that happened', () => {
    expect(result.findings.map(describeFinding)).toEqual([]);
  });

  it('had runs, and faults in between', () => {
    expect(result.figures.runs).toBeGreaterThan(10);
    expect(result.figures.attempts).toBeGreaterThan(result.figures.runs);
    expect([...result.faults.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(2);
  });
});

interface Row {
  readonly LogID: number;
  readonly RunID: string;
  readonly ActivityID: string;
  readonly Attempt: number;
}

interface Spoiling {
  readonly what: string;
  /** The row to spoil. */
  readonly pick: string;
  readonly change: string;
  /** All that the checker finds then, beyond what it finds without that. */
  readonly expected: (row: Row) => object[];
}

const START = `SELECT * FROM PipelineEvent WHERE EventType = 'start' LIMIT 1`;
const ONLY_RUN = `SELECT R.* FROM PipelineRun R JOIN PipelineLog L USING (RunID)
  WHERE R.Status = 'Error' AND L.OriginalRunID = R.RunID LIMIT 1`;

const SPOILINGS: readonly Spoiling[] = [
  {
    what: 'an end that is missing',
    pick: `SELECT * FROM PipelineEvent WHERE EventType = 'success' AND Witness = 'both' LIMIT 1`,
    change: 'DELETE FROM PipelineEvent WHERE EventID = @EventID',
    expected: (row) => [attemptFinding('attempt without end', row)],
  },
  {
    what: 'a start that is missing',
    pick: START,
    change: 'DELETE FROM PipelineEvent WHERE EventID = @EventID',
    expected: (row) => [attemptFinding('attempt without start', row)],
  },
  {
    what: 'an attempt that is missing, though its worker was not killed',
    pick: `SELECT * FROM PipelineEvent WHERE EventType = 'success' AND Witness = 'both' LIMIT 1`,
    change:
      'DELETE FROM PipelineEvent WHERE RunID = @RunID AND ActivityID = @ActivityID AND Attempt = @Attempt',
    expected: (row) => [attemptFinding('attempt without events', row)],
  },
  {
    what: 'an event that is there twice',
    pick: START,
    change: `INSERT INTO PipelineEvent (EventID, LogID, RunID, StepName, ActivityID, Attempt, EventType, EventTime, Witness)
      VALUES ('again', @LogID, @RunID, @StepName, @ActivityID, @Attempt, @EventType, @EventTime, @Witness)`,
    expected: (row) => [attemptFinding('event doubled', row)],
  },
  {
    what: 'an end that is not what Temporal says',
    pick: `SELECT * FROM PipelineEvent WHERE EventType = 'failure' AND Witness = 'both' LIMIT 1`,
    change: `UPDATE PipelineEvent SET EventType = 'success' WHERE EventID = @EventID`,
    expected: (row) => [attemptFinding('end of an attempt', row)],
  },
  {
    what: 'a lost attempt whose failure a worker had reported',
    // The one that was tried again soonest: where the report did not reach Temporal, the attempt had to time out first.
    pick: `SELECT E.* FROM PipelineEvent E
      JOIN PipelineEvent S ON S.RunID = E.RunID AND S.ActivityID = E.ActivityID AND S.Attempt = E.Attempt + 1
      JOIN PipelineEvent N ON N.RunID = E.RunID AND N.ActivityID = E.ActivityID AND N.Attempt = E.Attempt + 1
      WHERE E.EventType = 'retry' AND E.ErrorType = 'Fault' AND S.EventType = 'start'
        AND N.EventType IN ('success', 'failure') AND N.Witness = 'both'
      ORDER BY julianday(S.EventTime) - julianday(E.EventTime) LIMIT 1`,
    change: `UPDATE PipelineEvent SET EventType = 'lost' WHERE EventID = @EventID`,
    expected: (row) => [attemptFinding('end of an attempt', row)],
  },
  {
    what: 'an attempt that nobody made',
    pick: START,
    change: `INSERT INTO PipelineEvent (EventID, LogID, RunID, StepName, ActivityID, Attempt, EventType, EventTime, Witness)
      VALUES ('new', @LogID, @RunID, @StepName, '77', 1, 'start', @EventTime, 'live')`,
    expected: (row) => [attemptFinding('event of nothing', { ...row, ActivityID: '77', Attempt: 1 })],
  },
  {
    what: 'a run that is missing',
    pick: ONLY_RUN,
    change: 'DELETE FROM PipelineRun WHERE RunID = @RunID',
    expected: ({ RunID }) => [{ rule: 'run without row', RunID }],
  },
  {
    what: 'a run that has two batches',
    pick: ONLY_RUN,
    change: `INSERT INTO PipelineLog (PipelineName, StartTime, Status, RunID, OriginalRunID)
      VALUES ('again', @StartTime, @Status, @RunID, @RunID)`,
    expected: ({ RunID, LogID }) => [{ rule: 'run with more than one batch', RunID, LogID }],
  },
  {
    what: "a run's status that is not Temporal's",
    pick: ONLY_RUN,
    change: `UPDATE PipelineRun SET Status = 'Success' WHERE RunID = @RunID`,
    expected: ({ RunID, LogID }) => [{ rule: 'status of a run', RunID, LogID }],
  },
  {
    what: "a batch's status that is not Temporal's",
    pick: ONLY_RUN,
    change: `UPDATE PipelineLog SET Status = 'Running' WHERE LogID = @LogID`,
    expected: ({ RunID, LogID }) => [{ rule: 'status of a batch', RunID, LogID }],
  },
  {
    what: 'a run whose history nobody read',
    pick: ONLY_RUN,
    change: 'UPDATE PipelineRun SET CertifiedAt = NULL WHERE RunID = @RunID',
    expected: ({ RunID, LogID }) => [{ rule: 'run not certified', RunID, LogID }],
  },
];

describe('the checker names', () => {
  it.each(SPOILINGS)('$what', async (spoiling) => {
    const { row, found } = await spoil(spoiling);
    expect(found).toMatchObject(spoiling.expected(row));
  });
});

it('the checker takes an attempt for proved when a journal tells of a later one', () => {
  const run: TemporalRun = {
    ...{ WorkflowID: 'workflow', RunID: 'run', originalRunID: 'run', status: 'Error', beganAt: 0 },
    // The run ended while it was tried again, so history does not name its attempts.
    activities: [{ ActivityID: '1', attempt: 0, reported: undefined, end: undefined, isCopied: false }],
  };
  const line = (Attempt: number): JournalLine => ({
    ...{ RunID: 'run', ActivityID: '1', Attempt, scheduledAt: 0, at: 0, process: 'worker' },
  });
  const events = [1, 2].flatMap((Attempt) =>
    ['start', 'lost'].map((EventType): EventRow => ({
      ...{
        LogID: 1,
        RunID: 'run',
        ActivityID: '1',
        Attempt,
        EventType,
        EventTime: '2026-01-01T00:00:00.000Z',
      },
      ...{ Message: null, Worker: null, Witness: 'history' },
    })),
  );
  const row = { RunID: 'run', LogID: 1, Status: 'Error', CertifiedAt: '', GapCount: 4 };
  const found = (...journal: JournalLine[]): string[] =>
    checkAttempts({ batches: [], runs: [row], events }, [run], journal, []).findings.map(({ rule }) => rule);
  expect(found(line(2))).toEqual([]);
  expect(found(line(1))).toEqual(['event of nothing', 'event of nothing']);
});

it('a worker that ends by itself is a finding', async () => {
  const seat = new WorkerSeat(9, system.folder, {
    ...{ address: system.address, taskQueue: 'crashing', journalFolder: system.journalFolder },
    ...{ auditUrl: system.database.url, bundleFile: join(system.folder, 'nowhere.js') },
  });
  seat.start();
  await expect
    .poll(() => crashesOf([seat])[0], { timeout: 60_000 })
    .toEqual({
      rule: 'worker that ended by itself',
      what: 'worker9-1: exit code 1',
    });
  await seat.kill();
}, 70_000);

describe('the plan', () => {
  it('depends on nothing but the seed', () => {
    expect(planFaults(7, 'postgres', 60_000)).toEqual(planFaults(7, 'postgres', 60_000));
    expect(planFaults(7, 'postgres', 60_000)).not.toEqual(planFaults(8, 'postgres', 60_000));
  });

  it('lets faults overlap, but never two that hit the same thing, and ends all in time', () => {
    const plan = planFaults(7, 'postgres', 300_000);
    const overlaps = plan.filter((fault, index) => index > 0 && fault.at < endOf(plan[index - 1]!));
    expect(overlaps.length).toBeGreaterThan(5);
    for (const fault of plan) {
      expect(endOf(fault)).toBeLessThanOrEqual(300_000);
      const later = plan.filter(({ thing, at }) => thing === fault.thing && at > fault.at);
      for (const { at } of later) expect(at).toBeGreaterThan(endOf(fault));
    }
  });
});

const endOf = ({ at, lasts }: Fault): number => at + lasts;

function attemptFinding(rule: string, { LogID, RunID, ActivityID, Attempt }: Row): object {
  return { rule, LogID, RunID, ActivityID, Attempt };
}

let copies = 0;

/** What the checker finds in a copy of the audit with one change, beyond what it finds without it. */
async function spoil({ pick, change }: Spoiling): Promise<{ row: Row; found: Finding[] }> {
  const file = join(system.folder, `copy-${++copies}.db`);
  const original = new Database(join(system.folder, 'Audit.db'), { readonly: true });
  await original.backup(file);
  original.close();
  const copy = new Database(file);
  copy.pragma('foreign_keys = OFF');
  const row = copy.prepare(pick).get() as Row;
  expect(row, 'the run has such a row').toBeDefined();
  copy.prepare(change).run(row);
  copy.close();
  const before = new Set(result.findings.map(describeFinding));
  const { findings } = await check({ ...result.evidence, source: { kind: 'sqlite', file } });
  return { row, found: findings.filter((finding) => !before.has(describeFinding(finding))) };
}
