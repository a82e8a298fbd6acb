/**
 * Compares the audit with two witnesses that know nothing of it: the journals of the test activities, and Temporal's own
 * API. Nothing here, and nothing that this imports, is code of src: a mistake there must not hide itself.
 */
import type { Client } from '@temporalio/client';
import { readJournals } from '../journal.js';
import { checkAttempts, type Killed } from './attemptChecks.js';
import { readAudit, type AuditSource } from './auditRows.js';
import type { Finding } from './finding.js';
import { checkRuns } from './runChecks.js';
import { readTemporal, type RunName } from './temporalRuns.js';

export interface Evidence {
  readonly client: Client;
  readonly source: AuditSource;
  readonly journalFolder: string;
  /** Runs that the workload started, whether Temporal lists them or not. */
  readonly started: readonly RunName[];
  readonly killed: readonly Killed[];
}

export interface Verdict {
  readonly findings: Finding[];
  readonly forgiven: Finding[];
  readonly figures: Figures;
}

export interface Figures {
  /** As Temporal counts them. */
  readonly runs: number;
  readonly runsByStatus: Readonly<Record<string, number>>;
  /** Lines in the journals. */
  readonly attempts: number;
  /** Events that were missing and came from history. */
  readonly gaps: number;
  readonly eventsByWitness: Readonly<Record<string, number>>;
}

export async function check(evidence: Evidence): Promise<Verdict> {
  const { client, source, journalFolder, started, killed } = evidence;
  const runs = await readTemporal(client, started);
  const audit = await readAudit(source);
  const journal = readJournals(journalFolder);
  const { findings, forgiven } = checkAttempts(audit, runs, journal, killed);
  return {
    findings: [...checkRuns(audit, runs), ...findings],
    forgiven,
    figures: {
      runs: runs.length,
      runsByStatus: countBy(runs, ({ status }) => status ?? 'open'),
      attempts: journal.length,
      gaps: audit.runs.reduce((sum, { GapCount }) => sum + (GapCount ?? 0), 0),
      eventsByWitness: countBy(audit.events, ({ Witness }) => Witness),
    },
  };
}

function countBy<T>(items: readonly T[], of: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[of(item)] = (counts[of(item)] ?? 0) + 1;
  return counts;
}
