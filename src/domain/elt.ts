/** The generic pipeline `elt`: its input, and the activities it is made of. */
import { BadInput } from './errors.js';
import { listOf, object, text } from './shape.js';
import { formatTableName, parseTableName } from './table.js';

export interface EltInput {
  readonly pipeline: string;
  /** The connection that tables are read from. */
  readonly source: string;
  /** The connection that holds staging and the warehouse. */
  readonly target: string;
  readonly tables: ReadonlyArray<{ readonly from: string; readonly to: string }>;
  /** The stored procedure, or the script, that loads the warehouse from staging. */
  readonly transform: string;
  /** The table whose rows of this batch are the pipeline's result. */
  readonly countTable: string;
}

/** What a step did; the audit reads it, too. */
export interface RowsProcessed {
  readonly rowsProcessed: number;
}

export interface StagedTable {
  readonly to: string;
  readonly rows: number;
}

export interface EltActivities {
  extractTable(step: {
    source: string;
    target: string;
    from: string;
    to: string;
    /** The LogIDs of batches that failed, and whose place this one takes. */
    replaces: readonly number[];
  }): Promise<RowsProcessed>;
  runTransform(step: {
    target: string;
    transform: string;
    staged: readonly StagedTable[];
    countTable: string;
  }): Promise<RowsProcessed>;
  countRows(step: { target: string; countTable: string }): Promise<RowsProcessed>;
}

const eltShape = object({
  pipeline: text,
  source: text,
  target: text,
  tables: listOf(object({ from: text, to: text })),
  transform: text,
  countTable: text,
});

/** Throws an error that names the key when the input is not one that `elt` can run. */
export function checkEltInput(value: unknown): EltInput {
  const input = eltShape(value, 'elt input');
  const taken = new Set<string>();
  for (const [index, { from, to }] of input.tables.entries()) {
    const at = `elt input.tables[${index}]`;
    parseTableName(from, `${at}.from`);
    const staging = formatTableName(parseTableName(to, `${at}.to`));
    // Each table replaces the batch's rows, so a second one would wipe out the first.
    if (taken.has(staging.toLowerCase())) {
      throw new BadInput(`${at}.to: ${staging} is the staging table of another entry. Give each its own`);
    }
    taken.add(staging.toLowerCase());
  }
  parseTableName(input.transform, 'elt input.transform');
  parseTableName(input.countTable, 'elt input.countTable');
  return input;
}
