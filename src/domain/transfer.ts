/** The transfers: their input, the activities that they are made of, and what goes between them. */
import type { ColumnType } from './columnType.js';
import { BadInput } from './errors.js';
import type { CursorKind, Interval } from './interval.js';
import type { Check } from './shape.js';
import { flag, listOf, object, oneOf, optional, positive, text } from './shape.js';
import { formatTableName, parseTableName } from './table.js';

export const MODES = ['replace', 'append', 'merge'] as const;
/** What becomes of the rows that the target has already. */
export type TransferMode = (typeof MODES)[number];

export interface TransferTable {
  readonly from: string;
  /** Default: the name in the source. */
  readonly to?: string | undefined;
  /** The columns that tell rows apart, for `merge`. Default: the source's primary key. */
  readonly key?: readonly string[] | undefined;
  /** Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** A condition in the source's SQL. */
  readonly where?: string | undefined;
  /** How many rows a chunk has, about. Default: 200,000. */
  readonly chunkRows?: number | undefined;
}

export interface HistoricalTransferInput {
  /** What the batches are called. Default: `historicalTransfer`. */
  readonly pipeline?: string | undefined;
  readonly source: string;
  readonly staging: string;
  readonly target: string;
  readonly tables: readonly TransferTable[];
  readonly mode: TransferMode;
  /** How many chunks are extracted at once. Default: 3. */
  readonly parallel?: number | undefined;
  /** Whether rows that the target refuses are left out, and kept in its table BatchRejected. Default: no. */
  readonly allowRejected?: boolean | undefined;
  /** Which staged objects are removed when the batch has succeeded: its own, or none. Default: `onSuccess`. */
  readonly cleanup?: 'onSuccess' | 'never' | undefined;
}

/** A table as the activities get it: with nothing left to default. */
export interface TableStep {
  readonly from: string;
  readonly to: string;
  readonly key?: readonly string[] | undefined;
  readonly columns?: readonly string[] | undefined;
  readonly where?: string | undefined;
  readonly chunkRows: number;
  /** For an incremental transfer. */
  readonly cursor?: CursorStep | undefined;
}

/** Rows that are chosen by where they are on a column that rises. */
export interface CursorRows {
  readonly column: string;
  readonly kind: CursorKind;
  /** At least one. */
  readonly reads: readonly Interval[];
}

export interface CursorStep extends CursorRows {
  /** What is in when the rows are. Less than what is read, where late rows are looked for. */
  readonly claims: readonly Interval[];
  /** Whether claims that are in already take the place of their rows. */
  readonly force: boolean;
}

export interface Places {
  readonly source: string;
  readonly staging: string;
  readonly target: string;
}

export interface Prepared {
  /** Whether several connections can read one snapshot of this source. */
  readonly sharesSnapshots: boolean;
  /** Whether what is staged is made smaller, or stays as large as it is and takes no time for it. */
  readonly compresses: boolean;
}

/** Where the rows of a table wait: the objects of one extraction, which its manifest describes. */
export interface PlannedTable {
  /** Of all objects of this table and extraction, up to the number of the chunk. */
  readonly name: string;
  /** Rows in the source's snapshot. */
  readonly sourceRows: number;
  readonly chunks: number;
}

export interface StagedChunk {
  readonly object: string;
  /** As the source counted them while it sent them. */
  readonly rows: number;
  readonly bytes: number;
}

export interface ExtractedTable {
  readonly name: string;
  readonly sourceRows: number;
  readonly chunks: readonly StagedChunk[];
}

export interface TransferCounts {
  readonly rowsProcessed: number;
  readonly rowsRejected: number;
  readonly recordCountBefore: number;
  readonly recordCountAfter: number;
}

/** Nothing was loaded, because another batch was faster. The text says what it did. */
export interface OvertakenLoad {
  readonly overtaken: string;
}

/** Nothing was loaded, because this object was long in coming, and the target's transaction shall not wait for it. */
export interface EarlyLoad {
  readonly waitedFor: string;
}

export interface TransferActivities {
  /** Finds out what would stop the transfer, before anything is moved. */
  prepareTransfer(step: Places & { tables: readonly TableStep[]; mode: TransferMode }): Promise<Prepared>;
  /** Finds out which intervals of each table are to be moved; none where all is in. */
  planIntervals(
    step: Places & {
      tables: readonly TableStep[];
      /** Of times; the window of keys is what is new. */
      window?: Interval | undefined;
      lag: number;
      overlap: number;
      /** Whether holes before the window are moved, too. */
      holes: boolean;
      replaces: readonly number[];
    },
  ): Promise<CursorStep[]>;
  /** Keeps a snapshot open until it is cancelled, and signals its id to the workflow. */
  holdSnapshot(step: { source: string; extraction: string }): Promise<{ heldMs: number }>;
  planTables(
    step: Places &
      Pick<Prepared, 'compresses'> & { snapshot: string; extraction: string; tables: readonly TableStep[] },
  ): Promise<PlannedTable[]>;
  extractChunk(
    step: Places & { snapshot: string; table: TableStep; name: string; chunk: number },
  ): Promise<StagedChunk & { rowsProcessed: number }>;
  /** All tables by one connection, where a snapshot can't be shared. */
  extractTables(
    step: Places & Pick<Prepared, 'compresses'> & { extraction: string; tables: readonly TableStep[] },
  ): Promise<{ tables: ExtractedTable[]; rowsProcessed: number }>;
  /** May begin when all is planned: it asks the workflow what is staged (see STAGED_QUERY), and waits for the rest. */
  loadTables(
    step: Places & {
      extraction: string;
      tables: ReadonlyArray<{ step: TableStep; planned: PlannedTable }>;
      mode: TransferMode;
      allowRejected: boolean;
      /** The LogIDs of batches that failed, and whose place this one takes. */
      replaces: readonly number[];
    },
  ): Promise<TransferCounts | OvertakenLoad | EarlyLoad>;
  cleanStaging(step: { staging: string; own: boolean }): Promise<{ removed: number }>;
}

/** How `holdSnapshot` tells its workflow. */
export const SNAPSHOT_SIGNAL = 'batchtrailSnapshot';

export interface SnapshotSignal {
  readonly extraction: string;
  readonly snapshot: string;
}

/**
 * How `loadTables` asks its workflow which chunks of an extraction are staged: those after so many, in the order in which
 * they were, and not all at once.
 */
export const STAGED_QUERY = 'batchtrailStaged';

/** What a table's manifest says: what the staged rows are, and which part of the table is in which chunk. */
export interface Manifest {
  readonly columns: ReadonlyArray<{
    readonly name: string;
    readonly type: ColumnType;
    readonly nullable: boolean;
  }>;
  readonly key: readonly string[];
  /** In the words of the source. */
  readonly ranges: readonly string[];
  readonly compresses: boolean;
}

/** Small enough that the first ones are loaded while others are extracted. */
const DEFAULT_CHUNK_ROWS = 200_000;
/** More would be waiting for one worker's thread, and for each its parts of an upload are in memory. */
export const DEFAULT_PARALLEL = 3;

export const tableShape = {
  from: text,
  to: optional(text),
  key: optional(listOf(text)),
  columns: optional(listOf(text)),
  where: optional(text),
  chunkRows: optional(positive),
};

export const commonShape = {
  pipeline: optional(text),
  source: text,
  staging: text,
  target: text,
  parallel: optional(positive),
  allowRejected: optional(flag),
  cleanup: optional(oneOf('onSuccess', 'never')),
};

const historicalShape: Check<HistoricalTransferInput> = object({
  ...commonShape,
  tables: listOf(object(tableShape)),
  mode: oneOf(...MODES),
});

/** Throws an error that names the key when the input is not one that `historicalTransfer` can run. */
export function checkHistoricalInput(value: unknown): HistoricalTransferInput {
  const input = historicalShape(value, 'historicalTransfer input');
  checkTables(input.tables, 'historicalTransfer input');
  return input;
}

export function checkTables(tables: readonly TransferTable[], at: string): void {
  const taken = new Set<string>();
  for (const [index, { from, to }] of tables.entries()) {
    const place = `${at}.tables[${index}]`;
    parseTableName(from, `${place}.from`);
    const target = formatTableName(parseTableName(to ?? from, `${place}.to`));
    if (taken.has(target.toLowerCase())) {
      throw new BadInput(`${place}.to: ${target} is the target of another entry. Give each its own`);
    }
    taken.add(target.toLowerCase());
  }
}

export function tableSteps(tables: readonly TransferTable[]): TableStep[] {
  return tables.map(({ from, to, key, columns, where, chunkRows }) => ({
    ...{ from, to: to ?? from, key, columns, where },
    chunkRows: chunkRows ?? DEFAULT_CHUNK_ROWS,
  }));
}
