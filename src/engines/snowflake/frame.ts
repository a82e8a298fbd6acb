/**
 * One transaction with as few statements as it can do with, because each costs a part of a second, and holds locks for
 * that long: reads go out at once, and without BEGIN; writes are held back until a read needs them or the work is done.
 * A transaction that is one write in the end is one statement, which Snowflake commits by itself.
 */
import { Conflict } from './errors.js';
import type { Pace } from './pace.js';
import { queryTag } from './queryTag.js';
import type { Row, Session, Statement } from './session.js';
import { TABLES, type Table } from './statements.js';

export interface Write {
  readonly table: Table;
  readonly statements: readonly Statement[];
  /** How many rows it must change; if it are fewer, somebody else was faster. */
  readonly rows?: number;
}

export class Frame {
  readonly #batchIDs = new Set<number>();
  #held: Write[] = [];
  #isOpen = false;

  /** `isPatient`: batches that are read to be changed are locked. It takes longer, and nobody can be faster. */
  constructor(
    readonly session: Session,
    readonly pace: Pace,
    readonly isPatient: boolean,
  ) {}

  /** Says in the tag of all further statements that they are about these batches. */
  about(batchIDs: Iterable<number>): void {
    for (const id of batchIDs) this.#batchIDs.add(id);
  }

  /** Sees this transaction's own changes of the tables that it reads. */
  async read(tables: readonly Table[], statement: Statement): Promise<Row[]> {
    const written = this.#held.map(({ table }) => TABLES.indexOf(table));
    const needed = tables.map((table) => TABLES.indexOf(table)).filter((table) => written.includes(table));
    if (needed.length > 0) await this.#writeUpTo(Math.max(...needed));
    return this.#run(statement);
  }

  /** Runs a write at once, for the locks that it takes. */
  async lock(statement: Statement): Promise<void> {
    await this.#open();
    await this.#run(statement);
  }

  write(write: Write): void {
    if (write.statements.length > 0) this.#held.push(write);
  }

  async commit(): Promise<void> {
    const isOne = this.#held.length === 1 && this.#held[0]!.statements.length === 1;
    if (!this.#isOpen && isOne) return this.#perform(this.#held[0]!);
    if (this.#held.length > 0) await this.#writeUpTo(TABLES.length);
    if (this.#isOpen) await this.#run({ text: 'COMMIT' });
  }

  async rollback(): Promise<void> {
    if (!this.#isOpen || !this.session.isUsable) return;
    // A session that may still be in its transaction is of no use to others.
    await this.#run({ text: 'ROLLBACK' }).catch(() => this.session.giveUp());
  }

  /** The tables' locks are taken in one order, whatever the order in which the work has written. */
  async #writeUpTo(last: number): Promise<void> {
    await this.#open();
    const held = this.#held;
    this.#held = held.filter(({ table }) => TABLES.indexOf(table) > last);
    for (const [position, table] of TABLES.entries()) {
      if (position > last) break;
      for (const write of held) if (write.table === table) await this.#perform(write);
    }
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    await this.#run({ text: 'BEGIN' });
    this.#isOpen = true;
  }

  async #perform({ table, statements, rows }: Write): Promise<void> {
    let changed = 0;
    for (const statement of statements) changed += changedRows(await this.#run(statement));
    if (rows !== undefined && changed < rows) {
      throw new Conflict(
        `Of ${rows} rows of ${table}, ${rows - changed} were changed by somebody else meanwhile`,
      );
    }
  }

  async #run(statement: Statement): Promise<Row[]> {
    if (this.#isOpen) this.pace.takeInAdvance();
    else await this.pace.take();
    const { rows } = await this.session.run(statement, { tag: queryTag(this.#batchIDs) });
    return rows;
  }
}

/** `number of rows inserted`, `number of rows updated` and the like, of which a MERGE has several. */
export function changedRows([counts = {}]: Row[]): number {
  return Object.entries(counts).reduce(
    (sum, [name, count]) =>
      /^number of rows (inserted|updated|deleted)$/i.test(name) ? sum + Number(count) : sum,
    0,
  );
}
