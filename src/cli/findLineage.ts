/** Which batches have written the rows that meet a person's condition. */
import type { Config } from '../config.js';
import { BadInput, NotFound } from '../domain/errors.js';
import type { TableName } from '../domain/table.js';
import { formatTableName } from '../domain/table.js';
import type { AuditReader } from '../engines/contract.js';
import type { RowsOfBatch, TargetTable } from '../engines/targetReaderContract.js';
import { withAuditReader } from './audit.js';
import type { Attribution, AuditedBatch, Evidence } from './batchOfRows.js';
import { attributed, auditedBatch, namedTargets, UNKNOWN } from './batchOfRows.js';
import type { OpenTarget } from './targets.js';
import { targetName, withTargets } from './targets.js';

export interface LineageQuestion {
  readonly table: TableName;
  readonly where: string;
  readonly connection?: string | undefined;
  /** How many batches are looked up. */
  readonly limit: number;
}

/** As `--json` prints it. */
export interface Lineage {
  readonly Connection: string;
  readonly System: string;
  readonly Table: string;
  /** All that match. */
  readonly Rows: number;
  /** How many batches have written them. */
  readonly BatchCount: number;
  /** The newest of them. */
  readonly Batches: readonly BatchOfRows[];
}

export interface BatchOfRows extends AuditedBatch {
  /** Null for rows without one. */
  readonly BatchID: number | null;
  readonly Rows: number;
  /** Null for rows without a BatchID. */
  readonly Evidence: Evidence | null;
  /** The other audit stores that have a batch with this number in this table. */
  readonly OtherStoreIDs: readonly string[];
  /** Where the batch's steps say that they wrote, when there is only the number to go by. */
  readonly NamedTargets: readonly string[];
}

export function findLineage(config: Config, question: LineageQuestion): Promise<Lineage> {
  return withTargets(config, question.connection, async (targets) => {
    const { target, table } = chosenTable(targets, question.table);
    const counts = await target.reader.countByBatch(table, question.where);
    const shown = counts.slice(0, question.limit);
    const batchIDs = shown.map(({ batchID }) => batchID).filter((batchID) => batchID !== null);
    const name = formatTableName(table.name);
    const loads = (await target.reader.loads(table.name.schema, batchIDs)).filter(
      (load) => load.table === name,
    );
    const batches = await withAuditReader(config, async (audit) => {
      const storeID = await audit.storeID();
      const found: BatchOfRows[] = [];
      for (const counted of shown) {
        const listed = loads.filter(({ logID }) => logID === counted.batchID);
        found.push(await batchOfRows(config, audit, counted, attributed(listed, storeID)));
      }
      return found;
    });
    return {
      Connection: target.connection,
      System: target.reader.label,
      Table: name,
      Rows: counts.reduce((sum, { rows }) => sum + rows, 0),
      BatchCount: counts.length,
      Batches: batches,
    };
  });
}

async function batchOfRows(
  config: Config,
  audit: AuditReader,
  { batchID, rows }: RowsOfBatch,
  attribution: Attribution,
): Promise<BatchOfRows> {
  const counted = { BatchID: batchID, Rows: rows };
  if (batchID === null)
    return { ...counted, Evidence: null, OtherStoreIDs: [], NamedTargets: [], ...UNKNOWN };
  // Our batch with the same number has nothing to do with rows of another audit.
  const isOther = attribution.Evidence === 'other-audit';
  return {
    ...{ ...counted, ...attribution },
    NamedTargets: attribution.Evidence === 'number' ? await namedTargets(audit, batchID) : [],
    ...(isOther ? UNKNOWN : await auditedBatch(config, audit, batchID)),
  };
}

interface ChosenTable {
  readonly target: OpenTarget;
  readonly table: TargetTable;
}

function chosenTable(targets: readonly OpenTarget[], wanted: TableName): ChosenTable {
  const name = formatTableName(wanted);
  const found = targets.flatMap((target) => {
    const table = target.reader.find(wanted);
    return table ? [{ target, table }] : [];
  });
  const stamped = found.filter(({ table }) => table.batchColumn !== null);
  const [first, ...others] = stamped;
  if (first && others.length === 0) return first;
  if (first) {
    const names = stamped.map(({ target }) => targetName(target));
    throw new BadInput(`${name} is in ${names.join(' and in ')}. Name one of them with --connection`);
  }
  if (found.length > 0) {
    throw new BadInput(
      `${name} of ${targetName(found[0]!.target)} has no column BatchID with numbers, so its rows don't say which batch wrote them`,
    );
  }
  throw new NotFound(
    `There is no table ${name} in ${targets.map(targetName).join(' or ')}, or this user may not read it. ` +
      `Tables with a BatchID: ${stampedTables(targets)}`,
  );
}

const MOST_NAMED = 20;

function stampedTables(targets: readonly OpenTarget[]): string {
  const names = targets.flatMap(({ reader }) =>
    reader.tables.filter(({ batchColumn }) => batchColumn !== null).map(({ name }) => formatTableName(name)),
  );
  const some = names.slice(0, MOST_NAMED).join(', ') || 'none';
  return names.length > MOST_NAMED ? `${some} and ${names.length - MOST_NAMED} more` : some;
}
