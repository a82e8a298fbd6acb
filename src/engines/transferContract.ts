/**
 * What an engine gives to transfers and to `elt`: as a source, as a staging area, as a target, or as several of them. Rows go from one
 * to the next as the bytes of one dialect of CSV, which is PostgreSQL's (docs/transfers.md), so that where PostgreSQL
 * reads or writes nothing has to be taken apart.
 */
import type { Readable } from 'node:stream';
import type { Column } from '../domain/columnType.js';
import type { TableName } from '../domain/table.js';
import type { CursorKind, Interval } from '../domain/interval.js';
import type { CursorRows, TransferMode } from '../domain/transfer.js';

export interface TransferEngine {
  openSource?(options: PlaceOptions): Promise<TransferSource>;
  openStaging?(options: PlaceOptions): Promise<Staging>;
  openTarget?(options: PlaceOptions): Promise<TransferTarget>;
}

export interface PlaceOptions {
  readonly url: string;
  /** Ends what is under way, and closes its connections. */
  readonly signal: AbortSignal;
}

export interface TransferSource {
  /** What to call this system in the audit: scheme and place, never a password. */
  readonly label: string;
  /** Whether a snapshot has an id by which other connections can read it, too, while it is open. */
  readonly sharesSnapshots: boolean;
  openSnapshot(): Promise<Snapshot>;
  /** Throws `SnapshotLost` when nobody holds it open any more. */
  joinSnapshot(id: string): Promise<Snapshot>;
  close(): Promise<void>;
}

/** Which rows and columns of a table. */
export interface Selection {
  readonly table: TableName;
  readonly columns?: readonly string[] | undefined;
  readonly where?: string | undefined;
  readonly cursor?: CursorRows | undefined;
}

export interface SourceTable {
  readonly columns: readonly Column[];
  /** The column that was asked for as the cursor, whether it is among the others or not. */
  readonly cursor?: Column | undefined;
  readonly primaryKey: readonly string[];
}

/** One state of all tables, however the source is written to meanwhile. */
export interface Snapshot {
  readonly id: string;
  /** Throws `NotFound` when the table is not there, or a column that was asked for. */
  describe(selection: Selection): Promise<SourceTable>;
  count(selection: Selection): Promise<number>;
  /** The lowest and the highest value of a cursor that is a key, whatever the selection's intervals are. */
  bounds(selection: Selection): Promise<Bounds | undefined>;
  /**
   * Throws `BadInput` when a cursor that is a time holds a value that is none, whatever the selection's intervals are. An
   * engine whose columns hold nothing else has no need of it.
   */
  checkTimes?(selection: Selection): Promise<void>;
  /** Parts of the selection with about so many rows each, in words that only this engine reads. At least one. */
  ranges(selection: Selection, rows: number): Promise<string[]>;
  /** The columns are those that `describe` answered. */
  extract(selection: Selection, columns: readonly Column[], range: string): Promise<Extraction>;
  /** Throws `SnapshotLost` once nobody can join it any more. */
  keepAlive(): Promise<void>;
  close(): Promise<void>;
}

export interface Bounds {
  readonly lowest: string;
  readonly highest: string;
}

export interface Extraction {
  /** Rows in the staging dialect. */
  readonly body: Readable;
  /** How many the source says that it has sent; known when the body has ended. */
  readonly rows: () => number;
}

export interface Staging {
  readonly label: string;
  /** Where objects are for systems that fetch them by themselves: a URL that ends with a slash, without a secret. */
  readonly location: string;
  /** Whether its bytes are sent to a server, so that fewer of them are worth the time to compress them. */
  readonly isRemote: boolean;
  /** Takes an object in place of one with this name; nobody sees it before it is whole. Answers its size. */
  put(name: string, body: Readable): Promise<number>;
  open(name: string): Promise<Readable>;
  /** In any order. */
  list(prefix: string): Promise<StagedObject[]>;
  /** Also those that are not there. */
  remove(names: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface StagedObject {
  readonly name: string;
  readonly bytes: number;
  readonly changedAt: Date;
}

export interface TransferTarget {
  readonly label: string;
  /** Whether it is given what is staged as it lies there, and not the rows that a worker reads out of it. */
  readonly takesObjects: boolean;
  /**
   * Throws when the tables can't take these columns: `BadInput` names the column that would be lost or narrowed, and what
   * this engine can't do. `BadConfig` when it can't get at what is staged there (see `Staging.location`).
   */
  check(tables: readonly IncomingTable[], mode: TransferMode, location: string): Promise<void>;
  /**
   * Puts all tables of a batch into the target in one transaction with the ledger, in place of what the ledger says that
   * an earlier attempt of this batch put there, and the batches that it replaces. Tables and columns that are missing are made.
   */
  load(load: Load): Promise<void>;
  /**
   * All intervals in the ledger, for each of the tables. An engine without it is no target of incremental transfers; one with it
   * takes heed of `claim` when it loads.
   */
  intervals?(tables: readonly TableName[]): Promise<LedgerInterval[][]>;
  close(): Promise<void>;
}

export interface IncomingTable {
  readonly to: TableName;
  readonly columns: readonly Column[];
  /** Empty, except for `merge`. */
  readonly key: readonly string[];
  /** The column by which an interval's rows are found, in the words of the source: the target's must be of its kind. */
  readonly cursor?: string | undefined;
}

export interface LoadingTable extends IncomingTable {
  readonly chunks: readonly LoadingChunk[];
  readonly claim?: Claim | undefined;
}

/** The intervals of the cursor that are in with the rows. A load throws `Overtaken` when another batch was faster. */
export interface Claim {
  readonly kind: CursorKind;
  /** Whose rows they are: intervals of two sources have nothing to do with each other. */
  readonly source: string;
  readonly intervals: readonly Interval[];
  /** Whether it takes the place of what is in already, with its rows. */
  readonly force: boolean;
}

/** An entry of BatchInterval. */
export interface LedgerInterval extends Interval {
  readonly source: string;
  readonly storeID: string;
  readonly logID: number;
}

/** May still be on its way to the staging area while those before it are loaded. */
export interface LoadingChunk {
  /** Its name in the staging area. */
  readonly object: string;
  /** Waits until it is there. */
  readonly staged: () => Promise<void>;
  /** Its rows in the staging dialect, as soon as it is there. */
  readonly open: () => Promise<Readable>;
}

/** Tells a batch from those of other audit stores, which count theirs from 1, too. */
export interface BatchKey {
  readonly storeID: string;
  readonly logID: number;
}

export interface BatchStamp extends BatchKey {
  readonly runID: string;
  /** ISO 8601 in UTC. */
  readonly loadedAt: string;
  /** Whether its rows only wait there for a transform: the ledger says so, and they go when the batch is purged. */
  readonly isStaging: boolean;
}

export interface Load {
  readonly batch: BatchStamp;
  /** The LogIDs of batches of the same store. */
  readonly replaces: readonly number[];
  readonly mode: TransferMode;
  /** The staging area's. */
  readonly location: string;
  readonly tables: readonly LoadingTable[];
  readonly allowRejected: boolean;
  readonly onProgress: (rows: number) => void;
  /** Awaited for each table before the transaction ends: when it throws, the target stays as it was. */
  verify(table: LoadingTable, counts: LoadCounts): Promise<void>;
}

export interface LoadCounts {
  /** All rows of the table. */
  readonly before: number;
  readonly after: number;
  readonly loaded: number;
  readonly rejected: number;
  /** Rows with this BatchID that the table has now. */
  readonly ofBatch: number;
}
