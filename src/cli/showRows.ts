/** Batches and the rows that they have written, as text. */
import { purgedText } from '../audit/noBatch.js';
import type { PipelineLog } from '../domain/model.js';
import type { AuditedBatch, Evidence, PurgedLink } from './batchOfRows.js';
import type { BatchOfRows, Lineage } from './findLineage.js';
import type { WrittenRows, WrittenTable } from './findRows.js';
import { count, dayAndTime, duration } from './format.js';
import { painted } from './output.js';
import { statusStyle } from './statusStyle.js';
import type { Column } from './table.js';
import { formatRecord, formatTable } from './table.js';
import { oneLine } from './text.js';

export function formatLineage(lineage: Lineage): string {
  const { Connection, System, Table, Rows, BatchCount, Batches } = lineage;
  const place = oneLine(`${Table} in ${Connection} (${System})`);
  if (Rows === 0) return `No row of ${place} matches`;
  const hidden = BatchCount - Batches.length;
  const sections = [
    `${counted(Rows, 'row')} of ${place}, of ${counted(BatchCount, 'batch')}`,
    ...Batches.map((batch) => `${title(batch.BatchID, batch)}\n${formatRecord(lineageFacts(batch, System))}`),
    ...(hidden > 0 ? [`${counted(hidden, 'older batch')} more: see --limit`] : []),
  ];
  return sections.join('\n\n');
}

export function formatRows(written: WrittenRows, width: number): string {
  const { LogID, Looked, Tables } = written;
  const places = oneLine(Looked.join(' and '));
  const tables =
    Tables.length > 0
      ? formatTable(columnsFor(LogID), Tables, width)
      : `No ledger lists this batch, and no table has rows of it, in ${places}`;
  const facts = batchFacts(written);
  return [title(LogID, written), ...(facts.length > 0 ? [formatRecord(facts)] : []), '', tables].join('\n');
}

function title(logID: number | null, { Batch }: AuditedBatch): string {
  if (logID === null) return painted('bold', 'Without a BatchID');
  const name = painted('bold', `Batch ${logID}`);
  if (!Batch) return name;
  return `${name}  ${oneLine(Batch.PipelineName)}  ${painted(statusStyle(Batch.Status), Batch.Status)}`;
}

type Facts = Array<readonly [name: string, value: string]>;

function lineageFacts(batch: BatchOfRows, system: string): Facts {
  const { BatchID, Rows, Evidence, OtherStoreIDs, NamedTargets } = batch;
  const rows = ['Rows', String(Rows)] as const;
  if (BatchID === null || Evidence === null) {
    return [rows, ['Written', 'by no batch, or by one that did not say so']];
  }
  const known = ['Known by', oneLine(evidenceText(Evidence, BatchID, OtherStoreIDs))] as const;
  if (Evidence === 'other-audit') return [rows, known];
  const isElsewhere = NamedTargets.length > 0 && !NamedTargets.includes(system);
  const named = oneLine(NamedTargets.join(' and '));
  const doubt: Facts = isElsewhere ? [['But', `this batch says that it wrote to ${named}`]] : [];
  return [rows, known, ...doubt, ...batchFacts(batch)];
}

function batchFacts({ Batch, Purged, Chain, PurgedLinks, WebUI }: AuditedBatch): Facts {
  const chain: Facts = Chain.length > 0 ? [['Chain', chainText(Chain, PurgedLinks, Batch?.LogID)]] : [];
  if (!Batch) {
    const why = Purged ? purgedText(Purged) : 'not in this audit, and no purge has removed it';
    return [['Audit', why], ...chain];
  }
  const { StartTime, EndTime, DurationMs, Resolution, ErrorMessage } = Batch;
  const ended = EndTime === null ? '' : `${dayAndTime(EndTime)} UTC, ${duration(DurationMs)}`;
  const all: Facts = [
    ['Started', `${dayAndTime(StartTime)} UTC`],
    ['Ended', ended],
    ['Resolution', Resolution ?? ''],
    ['Error', oneLine(ErrorMessage ?? '')],
    ...chain,
    ['Web UI', WebUI ?? runText(Batch)],
  ];
  return all.filter(([, value]) => value !== '');
}

/** Where there is no link, what to look for. */
function runText({ Namespace, WorkflowID, RunID }: PipelineLog): string {
  const run = [
    Namespace && `namespace ${Namespace}`,
    WorkflowID && `workflow ${WorkflowID}`,
    RunID && `run ${RunID}`,
  ];
  const known = run.filter((part) => part).join(', ');
  return oneLine(`${known}. For a link set temporal.ui in the configuration`);
}

function chainText(
  chain: readonly PipelineLog[],
  purgedLinks: readonly PurgedLink[],
  own: number | undefined,
): string {
  const there = new Set(chain.map(({ LogID }) => LogID));
  const link = (what: string, logID: number | null): string[] => {
    if (logID === null) return [];
    if (there.has(logID)) return [`${what} batch ${logID}`];
    const purged = purgedLinks.find(({ LogID }) => LogID === logID);
    return [`${what} batch ${logID} (${purged ? purgedText(purged) : 'not in this audit'})`];
  };
  const lines = chain.map(({ LogID, Status, StartTime, ReplayOfLogID, Resolution, ResolvedByLogID }) => {
    const isOwnRepair = ResolvedByLogID === LogID;
    const links = [
      ...link('replays', ReplayOfLogID),
      ...(isOwnRepair ? [`${Resolution} by itself`] : link(`${Resolution} by`, ResolvedByLogID)),
      ...(Resolution === 'open' || Resolution === 'dismissed' ? [Resolution] : []),
    ];
    const line = `${LogID}  ${Status}  ${dayAndTime(StartTime)} UTC`;
    return `${line}${links.length > 0 ? `  ${links.join(', ')}` : ''}${LogID === own ? '  (this one)' : ''}`;
  });
  return lines.join('\n');
}

function evidenceText(evidence: Evidence, batchID: number, others: readonly string[]): string {
  const other = `batch ${batchID} of another audit (StoreID ${others.join(', ')})`;
  switch (evidence) {
    case 'ledger':
      return "the target's ledger";
    case 'number':
      return 'its BatchID alone: no ledger lists it; only transfers keep one';
    case 'other-audit':
      return `the target's ledger, as ${other}`;
    case 'several-audits':
      return `the target's ledger, which lists ${other}, too: whose rows these are can't be told`;
  }
}

function columnsFor(logID: number): ReadonlyArray<Column<WrittenTable>> {
  return [
    { title: 'Connection', value: ({ Connection }) => Connection },
    { title: 'Table', value: ({ Table }) => Table },
    { title: 'Loaded', align: 'right', value: ({ RowsLoaded }) => count(RowsLoaded) },
    { title: 'There', align: 'right', value: ({ RowsThere }) => count(RowsThere) },
    { title: 'Run', value: ({ RunIDs }) => RunIDs.join(', ') },
    { title: 'Note', value: (table) => note(table, logID) },
  ];
}

function note({ RowsLoaded, RowsThere, Evidence, OtherStoreIDs }: WrittenTable, logID: number): string {
  if (Evidence !== 'ledger') return evidenceText(Evidence, logID, OtherStoreIDs);
  if (RowsThere === null) return 'the table is gone, or has no BatchID any more';
  const missing = RowsLoaded! - RowsThere;
  if (missing === 0) return '';
  if (missing > 0) return `${missing} made room for rows of later batches, or were deleted`;
  return `${-missing} more than the ledger lists: somebody else wrote them`;
}

function counted(number: number, what: string): string {
  if (number === 1) return `1 ${what}`;
  return `${number} ${what}${what.endsWith('ch') ? 'es' : 's'}`;
}
