/** Which intervals an incremental transfer moves: its window and the holes before it, less what the ledger says is in. */
import { batchStep } from '../audit/batchScope.js';
import { BadConfig, BadInput } from '../domain/errors.js';
import type { Interval } from '../domain/interval.js';
import { around, joined, moved, without } from '../domain/interval.js';
import { parseTableName } from '../domain/table.js';
import type { CursorStep, TableStep, TransferActivities } from '../domain/transfer.js';
import type { LedgerInterval, Snapshot, TransferTarget } from '../engines/transferContract.js';
import { beating } from './beating.js';
import type { Connections } from './connections.js';
import { withPlace } from './connections.js';
import { sourceName } from './cursor.js';
import { inOrder, selectionOf, withSnapshot } from './reading.js';

type PlanStep = Parameters<TransferActivities['planIntervals']>[0];

export function planIntervals(connections: Connections, step: PlanStep): Promise<CursorStep[]> {
  return beating(({ signal, report }) =>
    withPlace(connections, { role: 'openSource', name: step.source, signal }, (source) =>
      withPlace(connections, { role: 'openTarget', name: step.target, signal }, async (target) => {
        batchStep().rows({ source: source.label, target: target.label });
        const ledger = await ledgerOf(target, step);
        const planned = await withSnapshot(source, undefined, (snapshot) =>
          inOrder(step.tables, async (table, index) => {
            report({ tables: index });
            return planTable(step, table, { snapshot, entries: ledger[index]! });
          }),
        );
        // Only now: an attempt that fails leaves no lines that the next would write again.
        for (const { to, message } of planned) batchStep().log(to, { message });
        return planned.map(({ cursor }) => cursor);
      }),
    ),
  );
}

async function ledgerOf(target: TransferTarget, { tables }: PlanStep): Promise<LedgerInterval[][]> {
  if (target.intervals) return target.intervals(tables.map(({ to }) => parseTableName(to, 'to')));
  throw new BadConfig(
    `${target.label} can't be the target of an incremental transfer, because it keeps no ledger of intervals. Use historicalTransfer`,
  );
}

interface PlannedTable {
  readonly to: string;
  readonly cursor: CursorStep;
  readonly message: string;
}

async function planTable(
  step: PlanStep,
  asGiven: TableStep,
  { snapshot, entries }: { snapshot: Snapshot; entries: readonly LedgerInterval[] },
): Promise<PlannedTable> {
  const { kind, force } = asGiven.cursor!;
  const { cursor } = await snapshot.describe(selectionOf(asGiven));
  // As the source spells it, whatever the case in the input.
  const column = cursor!.name;
  const table = { ...asGiven, cursor: { ...asGiven.cursor!, column } };
  if (kind === 'time') await snapshot.checkTimes?.(selectionOf(table));
  const { own, inside } = ofSameRows(step, table, entries);
  const window = step.window ?? (await newKeys(step, table, { snapshot, inside }));
  // What makes room for this load is moved again, all of it: what others have moved since may have hidden it.
  const claims = joined([...own, ...(window ? missing(step, table, { window, inside }) : [])], kind);
  const early = claims.map(({ from, to }) => ({ from: moved(from, -step.overlap, kind), to }));
  return {
    to: table.to,
    cursor: { column, kind, claims, reads: joined(early, kind), force },
    message: describePlan(claims, window),
  };
}

interface Inside {
  /** What other batches have moved. */
  readonly inside: readonly LedgerInterval[];
}

interface Divided extends Inside {
  /** What this batch had moved before a reset, and those that it replays. */
  readonly own: readonly LedgerInterval[];
}

/** The entries of these rows; others may load other rows into the same table. */
function ofSameRows(
  { source, replaces }: PlanStep,
  table: TableStep,
  entries: readonly LedgerInterval[],
): Divided {
  const name = sourceName(source, table);
  const same = entries.filter((one) => one.source === name);
  if (entries.length > 0 && same.length === 0 && !table.cursor!.force) {
    throw new BadInput(
      `The ledger BatchInterval of ${table.to} has no intervals of ${JSON.stringify(name)}, but of ${JSON.stringify(entries[0]!.source)}. ` +
        'If these are the same rows, change Source there to the new name; if they are other rows, set force for one run, which begins to keep intervals for them',
    );
  }
  const { storeID, id } = batchStep();
  const isOwn = (one: LedgerInterval): boolean =>
    one.storeID === storeID && [id, ...replaces].includes(one.logID);
  return { own: same.filter(isOwn), inside: same.filter((one) => !isOwn(one)) };
}

/** From the highest key that is in up to the highest that is there. */
async function newKeys(
  { lag }: PlanStep,
  table: TableStep,
  { snapshot, inside }: Inside & { snapshot: Snapshot },
): Promise<Interval | undefined> {
  const bounds = await snapshot.bounds(selectionOf(table));
  if (!bounds) return undefined;
  const known = table.cursor!.force || inside.length === 0 ? undefined : around(inside, 'key').to;
  const window = { from: known ?? bounds.lowest, to: moved(bounds.highest, 1 - lag, 'key') };
  return joined([window], 'key')[0];
}

function missing(
  { holes }: PlanStep,
  { cursor }: TableStep,
  { window, inside }: Inside & { window: Interval },
): Interval[] {
  const { kind, force } = cursor!;
  const from = holes ? around([window, ...inside], kind).from : window.from;
  const left = without([{ from, to: window.to }], inside, kind);
  return force ? [...left, window] : left;
}

function describePlan(claims: readonly Interval[], window: Interval | undefined): string {
  if (claims.length > 0) return `moves ${claims.map(({ from, to }) => `${from} to ${to}`).join(', ')}`;
  return window ? `${window.from} to ${window.to} is in already` : 'has nothing new';
}
