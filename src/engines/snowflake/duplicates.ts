/**
 * Batches that are there twice. Snowflake enforces no unique key; a MERGE makes others wait, so this should not happen,
 * and when it has happened all the same, the lower LogID wins: it gets all that belongs to the others, which go.
 */
import { PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { PipelineLog, PipelineRun } from '../../domain/model.js';
import type { Frame } from './frame.js';
import { LockedBatches } from './lockedBatches.js';
import type { Statement } from './session.js';
import type { Table } from './statements.js';
import { Tables } from './tables.js';

/** Batches of one origin were read. They are repaired before the work is done again. */
export class DuplicateBatches extends Error {
  override readonly name = 'DuplicateBatches';

  /** `groups`: the LogIDs of each origin that has several. */
  constructor(readonly groups: ReadonlyArray<readonly number[]>) {
    super(`These batches are one: ${groups.map((group) => group.join(' and ')).join(', ')}`);
  }
}

type Origin = Pick<PipelineLog, 'OriginalRunID' | 'Namespace'>;

export function originOf({ OriginalRunID, Namespace }: Origin): string {
  return JSON.stringify([OriginalRunID, Namespace]);
}

/** Throws DuplicateBatches when two of the batches have one origin. */
export function checkOrigins(batches: readonly PipelineLog[]): void {
  check(
    batches.filter(({ OriginalRunID, Namespace }) => OriginalRunID !== null && Namespace !== null),
    originOf,
  );
}

/** Throws DuplicateBatches when a run is there twice, in two batches. */
export function checkRuns<Run extends Pick<PipelineRun, 'RunID' | 'LogID'>>(runs: Run[]): Run[] {
  check(runs, ({ RunID }) => RunID);
  return runs;
}

function check<T extends { readonly LogID: number }>(rows: readonly T[], keyOf: (row: T) => string): void {
  const groups = new Map<string, Set<number>>();
  for (const row of rows) {
    const key = keyOf(row);
    groups.set(key, (groups.get(key) ?? new Set()).add(row.LogID));
  }
  const duplicates = [...groups.values()].filter(({ size }) => size > 1).map((group) => [...group]);
  if (duplicates.length > 0) throw new DuplicateBatches(duplicates);
}

/** Makes one batch of each group. */
export async function repair(
  frame: Frame,
  schema: string,
  groups: DuplicateBatches['groups'],
): Promise<void> {
  const tables = new Tables(frame, schema);
  const locked = new LockedBatches(tables);
  const logIDs = groups.flat();
  frame.about(logIDs);
  const rows = new Map((await locked.read(logIDs)).map((batch) => [batch.LogID, batch]));
  for (const group of groups) {
    const batches = group.map((logID) => rows.get(logID)).filter((batch) => batch !== undefined);
    if (batches.length === 0) continue;
    // Where another process has repaired it meanwhile, there is nothing more to move.
    const home = Math.min(...batches.map(({ LogID }) => LogID));
    const others = group.filter((logID) => logID !== home);
    // Whichever was closed knows more than those that were not.
    const best = batches.find(({ Status }) => Status !== 'Running') ?? batches[0]!;
    locked.update([{ ...best, LogID: home }]);
    for (const other of others) moveTo(tables, home, other);
  }
}

function moveTo(tables: Tables, home: number, other: number): void {
  const both = [other, home];
  const links = PIPELINE_LOG_COLUMNS.filter((column) => /.LogID$/.test(column));
  const write = (table: Table, ...statements: Statement[]): void => tables.frame.write({ table, statements });
  const move = (table: Table, key: string): void => {
    const name = tables.name(table);
    write(
      table,
      {
        text: `DELETE FROM ${name} WHERE LogID = ? AND ${key} IN (SELECT ${key} FROM ${name} WHERE LogID = ?)`,
        binds: both,
      },
      { text: `UPDATE ${name} SET LogID = ? WHERE LogID = ?`, binds: [home, other] },
    );
  };
  const batches = tables.name('PipelineLog');
  write(
    'PipelineLog',
    {
      text: `UPDATE ${batches} SET ${links.map((link) => `${link} = IFF(${link} = ?, ?, ${link})`).join(', ')}
        WHERE ? IN (${links.join(', ')})`,
      binds: [...links.flatMap(() => [other, home]), other],
    },
    { text: `DELETE FROM ${batches} WHERE LogID = ?`, binds: [other] },
  );
  move('PipelineRun', 'RunID');
  move('PipelineEvent', 'EventID');
  move('Alert', "Rule || ' ' || COALESCE(EventID, '')");
  // None of them goes: the chain has no gap.
  write('Seal', {
    text: `UPDATE ${tables.name('Seal')} SET LogID = ? WHERE LogID = ?`,
    binds: [home, other],
  });
}
