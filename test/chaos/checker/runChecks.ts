/** Whether each run, and each batch, is on record once and as it ended. */
import type { AuditRows } from './auditRows.js';
import type { Finding } from './finding.js';
import type { TemporalRun } from './temporalRuns.js';

export function checkRuns(audit: AuditRows, runs: readonly TemporalRun[]): Finding[] {
  const rows = new Map(audit.runs.map((row) => [row.RunID, row]));
  const batchesOf = batchesByRun(audit);
  const findings: Finding[] = [];
  for (const run of runs) {
    const row = rows.get(run.RunID);
    const about = { LogID: row?.LogID, WorkflowID: run.WorkflowID, RunID: run.RunID };
    const find = (rule: string, what: string): void => void findings.push({ rule, ...about, what });
    if (run.status === undefined)
      find('run still open', 'it did not end in Temporal, so nothing can be said of it');
    if (!row) {
      find('run without row', `Temporal has it (${run.status}), and PipelineRun does not`);
      continue;
    }
    if (row.Status !== run.status)
      find('status of a run', `Temporal: ${run.status}, PipelineRun: ${row.Status}`);
    if (row.CertifiedAt === null) find('run not certified', 'CertifiedAt is NULL');
    const batches = batchesOf.get(run.RunID)!;
    if (batches.size > 1) find('run with more than one batch', `batches ${[...batches].sort().join(', ')}`);
  }
  const known = new Set(runs.map(({ RunID }) => RunID));
  for (const { RunID, LogID } of audit.runs) {
    if (known.has(RunID)) continue;
    findings.push({ rule: 'run that never was', LogID, RunID, what: 'Temporal does not know it' });
  }
  return [...findings, ...checkBatches(audit, runs)];
}

/** A batch is all the runs of one origin, and is as the latest of them. */
function checkBatches(audit: AuditRows, runs: readonly TemporalRun[]): Finding[] {
  const latest = new Map<string, TemporalRun>();
  for (const run of [...runs].sort((a, b) => a.beganAt - b.beganAt)) latest.set(run.originalRunID, run);
  return audit.batches.flatMap(({ LogID, WorkflowID, OriginalRunID, RunID, Status }) => {
    const about = { LogID, WorkflowID: WorkflowID ?? undefined, RunID: RunID ?? undefined };
    const run = latest.get(OriginalRunID ?? '');
    if (!run) {
      return [{ rule: 'batch that never was', ...about, what: `Temporal knows no run ${OriginalRunID}` }];
    }
    return [
      ...(Status === run.status
        ? []
        : [{ rule: 'status of a batch', ...about, what: `Temporal: ${run.status}, PipelineLog: ${Status}` }]),
      ...(RunID === run.RunID
        ? []
        : [
            {
              rule: 'latest run of a batch',
              ...about,
              what: `Temporal: ${run.RunID}, PipelineLog: ${RunID}`,
            },
          ]),
    ];
  });
}

/** Everything that ties a run to a batch: its own row, the batch's, its events'. */
function batchesByRun({ batches, runs, events }: AuditRows): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const { RunID, LogID } of [...runs, ...batches, ...events]) {
    if (RunID === null) continue;
    found.set(RunID, (found.get(RunID) ?? new Set()).add(LogID));
  }
  return found;
}
