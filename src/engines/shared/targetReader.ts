/** Which batch wrote what, by SELECTs that all engines understand. */
import { BadInput } from '../../domain/errors.js';
import type { SqlRow, SqlValue, TableName } from '../../domain/table.js';
import { formatTableName } from '../../domain/table.js';
import type { LedgerLoad, RowsOfBatch, TargetReader, TargetTable } from '../targetReaderContract.js';

/** What differs between engines. */
export interface TargetDialect {
  readonly label: string;
  /** Runs one SELECT that may hold a person's own SQL, where it can change nothing. */
  query(sql: string): Promise<{ rows: SqlRow[] }>;
  /** How a name is spelled that stands in SQL without quotes. */
  spelled(name: string): string;
  /** Counts any number of rows. */
  readonly count: string;
  close(): Promise<void>;
}

const LEDGER = 'BatchLoad';
/** Engines limit how many parts a statement has. */
const TABLES_AT_ONCE = 50;

/** A person's own name stands in quotes in every statement here; this form of them is understood everywhere. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoted({ schema, name }: TableName): string {
  return `${quote(schema)}.${quote(name)}`;
}

export class SqlTargetReader implements TargetReader {
  constructor(
    readonly dialect: TargetDialect,
    readonly tables: readonly TargetTable[],
  ) {}

  get label(): string {
    return this.dialect.label;
  }

  find({ schema, name }: TableName): TargetTable | undefined {
    const spelled = (spell: (part: string) => string): TargetTable | undefined =>
      this.tables.find((table) => table.name.schema === spell(schema) && table.name.name === spell(name));
    const inAnyCase = this.tables.filter(
      (table) => folded(table.name.schema) === folded(schema) && folded(table.name.name) === folded(name),
    );
    return (
      spelled((part) => part) ??
      spelled((part) => this.dialect.spelled(part)) ??
      (inAnyCase.length === 1 ? inAnyCase[0] : undefined)
    );
  }

  async countByBatch({ name, batchColumn }: TargetTable, where: string): Promise<RowsOfBatch[]> {
    const column = quote(batchColumn!);
    // A comment at the end of the condition ends with its line.
    const { rows } = await this.dialect.query(
      `SELECT ${column} AS "batchID", ${this.dialect.count} AS "rows" FROM ${quoted(name)} WHERE (${where}\n) GROUP BY ${column}`,
    );
    return rows
      .map((row) => ({ batchID: batchIDOf(row['batchID'] ?? null, name), rows: Number(row['rows']) }))
      .sort((a, b) => (b.batchID ?? 0) - (a.batchID ?? 0));
  }

  async countOfBatch(tables: readonly TargetTable[], batchID: number): Promise<number[]> {
    const counts: number[] = [];
    for (let from = 0; from < tables.length; from += TABLES_AT_ONCE) {
      const parts = tables
        .slice(from, from + TABLES_AT_ONCE)
        .map(
          ({ name, batchColumn }, index) =>
            `SELECT ${from + index} AS "place", ${this.dialect.count} AS "rows" FROM ${quoted(name)} WHERE ${quote(batchColumn!)} = ${batchID}`,
        );
      const { rows } = await this.dialect.query(parts.join(' UNION ALL '));
      for (const row of rows) counts[Number(row['place'])] = Number(row['rows']);
    }
    return counts;
  }

  async loads(schema: string, logIDs: readonly number[]): Promise<LedgerLoad[]> {
    const ledger = this.tables.find(
      ({ name }) => name.schema === schema && name.name === this.dialect.spelled(LEDGER),
    );
    if (!ledger || logIDs.length === 0) return [];
    const [store, log, run, table, loaded] = ['StoreID', 'LogID', 'RunID', 'TableName', 'Rows'].map((name) =>
      quote(this.dialect.spelled(name)),
    );
    const key = [store, log, run, table].join(', ');
    const { rows } = await this.dialect.query(
      `SELECT ${store} AS "StoreID", ${log} AS "LogID", ${run} AS "RunID", ${table} AS "TableName", SUM(${loaded}) AS "Rows"
       FROM ${quoted(ledger.name)} WHERE ${log} IN (${logIDs.join(', ')}) GROUP BY ${key} ORDER BY ${table}, ${log}`,
    );
    return rows.map((row) => ({
      storeID: String(row['StoreID']),
      logID: Number(row['LogID']),
      runID: String(row['RunID']),
      table: String(row['TableName']),
      rows: Number(row['Rows']),
    }));
  }

  close(): Promise<void> {
    return this.dialect.close();
  }
}

function folded(name: string): string {
  return name.toLowerCase();
}

function batchIDOf(value: SqlValue, table: TableName): number | null {
  if (value === null) return null;
  const batchID = Number(value);
  if (Number.isSafeInteger(batchID)) return batchID;
  throw new BadInput(
    `${formatTableName(table)} has a row with BatchID ${String(value)}, which is no number of a batch`,
  );
}

/** Rows of `schema`, `name` and `batchColumn`. */
export function targetTables(rows: readonly SqlRow[]): TargetTable[] {
  return rows.map(({ schema, name, batchColumn }) => ({
    name: { schema: String(schema), name: String(name) },
    batchColumn: (batchColumn as string | null | undefined) ?? null,
  }));
}
