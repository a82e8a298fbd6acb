/** Which tables a batch has written, and how many of its rows are still there. */
import { noBatch } from '../audit/noBatch.js';
import type { Config } from '../config.js';
import { NotFound } from '../domain/errors.js';
import { formatTableName } from '../domain/table.js';
import type { LedgerLoad, TargetTable } from '../engines/targetReaderContract.js';
import { withAuditReader } from './audit.js';
import type { Attribution, AuditedBatch } from './batchOfRows.js';
import { attributed, auditedBatch, namedTargets } from './batchOfRows.js';
import type { OpenTarget } from './targets.js';
import { targetName, withTargets } from './targets.js';

/** As `--json` prints it. */
export interface WrittenRows extends AuditedBatch {
  readonly LogID: number;
  /** The connections that were looked at. */
  readonly Looked: readonly string[];
  readonly Tables: readonly WrittenTable[];
}

export interface WrittenTable extends Attribution {
  readonly Connection: string;
  readonly System: string;
  readonly Table: string;
  /** As the ledger lists them; null where it does not. */
  readonly RowsLoaded: number | null;
  /** Null when the table is gone. */
  readonly RowsThere: number | null;
  /** The runs that loaded them. */
  readonly RunIDs: readonly string[];
}

export function findRows(config: Config, logID: number, connection?: string): Promise<WrittenRows> {
  return withAuditReader(config, (audit) =>
    withTargets(config, connection, async (targets) => {
      const audited = await auditedBatch(config, audit, logID);
      const storeID = await audit.storeID();
      const systems = connection === undefined ? await namedTargets(audit, logID) : [];
      const tables: WrittenTable[] = [];
      for (const target of targets) {
        const found = await writtenTables(target, logID, storeID);
        // Where no ledger lists the batch, rows with its number are its own only if it says that it wrote there.
        const isNamed = systems.length === 0 || systems.includes(target.reader.label);
        tables.push(...found.filter(({ Evidence }) => Evidence !== 'number' || isNamed));
      }
      const looked = targets.map(targetName);
      if (!audited.Batch && tables.length === 0) {
        const { message } = await noBatch(audit, logID);
        throw new NotFound(`${message}. There are no rows of it in ${looked.join(' or ')}`);
      }
      return { LogID: logID, ...audited, Looked: looked, Tables: tables };
    }),
  );
}

async function writtenTables(target: OpenTarget, logID: number, storeID: string): Promise<WrittenTable[]> {
  const { reader } = target;
  const written: WrittenTable[] = [];
  for (const schema of new Set(reader.tables.map(({ name }) => name.schema))) {
    const stamped = reader.tables.filter(
      ({ name, batchColumn }) => name.schema === schema && batchColumn !== null,
    );
    const loads = await reader.loads(schema, [logID]);
    const counts = await reader.countOfBatch(stamped, logID);
    const there = new Map(stamped.map(({ name }, index) => [formatTableName(name), counts[index]!]));
    const names = new Set([...loads.map(({ table }) => table), ...withRows(stamped, counts)]);
    for (const name of [...names].sort()) {
      const ofTable = loads.filter(({ table }) => table === name);
      written.push({
        ...{ Connection: target.connection, System: reader.label, Table: name },
        ...loadedBy(ofTable, storeID),
        RowsThere: there.get(name) ?? null,
      });
    }
  }
  return written;
}

function withRows(tables: readonly TargetTable[], counts: readonly number[]): string[] {
  return tables.filter((_, index) => counts[index]! > 0).map(({ name }) => formatTableName(name));
}

function loadedBy(
  loads: readonly LedgerLoad[],
  storeID: string,
): Attribution & Pick<WrittenTable, 'RowsLoaded' | 'RunIDs'> {
  const own = loads.filter((load) => load.storeID === storeID);
  return {
    ...attributed(loads, storeID),
    RowsLoaded: own.length > 0 ? own.reduce((sum, { rows }) => sum + rows, 0) : null,
    RunIDs: own.map(({ runID }) => runID),
  };
}
