/** What is written to the audit store, and how: all that came meanwhile in one transaction. */
import type { AuditStore } from '../engines/contract.js';
import { BatchGone } from '../domain/errors.js';
import type { PipelineEvent, RunStart } from '../domain/model.js';
import { closeRuns } from './ledger/closeRuns.js';
import { inLedger } from './ledger/ledger.js';
import type { Ledger } from './ledger/ledger.js';
import { noteTaskFailures } from './ledger/noteTaskFailures.js';
import { findBatchRefs, openRuns } from './ledger/openRuns.js';
import { recordLive } from './ledger/recordLive.js';
import { settleRuns } from './ledger/settleRuns.js';
import { auditMetrics } from './metrics.js';

/** A run that its worker could not open before it left, and what it saw of it: the batch's number is not known yet. */
export interface Unopened {
  readonly start: RunStart;
  readonly events: readonly PipelineEvent[];
}

async function openAndRecord(ledger: Ledger, items: readonly Unopened[]): Promise<void[]> {
  const batches = await openRuns(
    ledger,
    items.map(({ start }) => start),
  );
  const events = items.flatMap((item, index) =>
    item.events.map((event) => ({ ...event, LogID: batches[index]!.LogID })),
  );
  await recordLive(ledger, events);
  return items.map(() => undefined);
}

/** What a group commit writes, in this order: each kind in one go for all who asked. */
const WRITERS = {
  openAndRecord,
  record: async (ledger: Ledger, events: ReadonlyArray<readonly PipelineEvent[]>) => {
    await recordLive(ledger, events.flat());
    return events.map(() => undefined);
  },
  open: openRuns,
  find: findBatchRefs,
  note: noteTaskFailures,
  close: closeRuns,
  settle: settleRuns,
} satisfies Record<string, (ledger: Ledger, items: readonly never[]) => Promise<unknown[]>>;

export type Kind = keyof typeof WRITERS;
export type Item<K extends Kind> = Parameters<(typeof WRITERS)[K]>[1][number];
export type Answer<K extends Kind> = Awaited<ReturnType<(typeof WRITERS)[K]>>[number];
type Writer = (ledger: Ledger, items: readonly unknown[]) => Promise<unknown[]>;

export interface Change {
  readonly kind: Kind;
  readonly item: unknown;
  /** Called when it is durable in the store. */
  readonly resolve: (answer: unknown) => void;
}

export function isKind(name: string): name is Kind {
  return Object.hasOwn(WRITERS, name);
}

/**
 * Writes the changes. One that the store refuses must not hold up the others: when they don't go through together, each
 * gets a transaction of its own. Answers those that were refused while others were taken; throws when nothing was: then it
 * is the store. What was written has been resolved, in either case.
 */
export async function writeGroup<C extends Change>(
  store: AuditStore,
  changes: readonly C[],
): Promise<Map<C, unknown>> {
  const refused = new Map<C, unknown>();
  let began = false;
  const begun = performance.now();
  try {
    const answers = await inLedger(store, (ledger) => {
      began = true;
      return writeAll(ledger, changes);
    });
    for (const change of changes) change.resolve(answers.get(change));
    measure(changes, performance.now() - begun);
    return refused;
  } catch (error) {
    const [first] = changes;
    // Whatever state the store is in, that does not change.
    if (error instanceof BatchGone && first && changes.length === 1) return new Map([[first, error]]);
    if (!began || changes.length === 1) throw error;
  }
  for (const change of changes) {
    try {
      for (const [one, error] of await writeGroup(store, [change])) refused.set(one, error);
    } catch (error) {
      refused.set(change, error);
      const noneTaken = refused.size === 1 + changes.indexOf(change);
      if (noneTaken && (refused.size === ENOUGH || refused.size === changes.length)) {
        throw refused.values().next().value;
      }
    }
  }
  // A store that went down after it had taken some has refused none.
  if (refused.size > 0) await tryOut(store);
  return refused;
}

function measure(changes: readonly Change[], durationMs: number): void {
  const { flushSize, flushDuration, eventsWritten } = auditMetrics();
  flushSize.record(changes.length);
  flushDuration.record(durationMs);
  const events = changes.reduce((sum, change) => sum + eventsIn(change), 0);
  if (events > 0) eventsWritten.add(events);
}

/** What workers saw; what history proves is counted by `gapsHealed`. */
function eventsIn({ kind, item }: Change): number {
  if (kind === 'record') return (item as Item<'record'>).length;
  return kind === 'openAndRecord' ? (item as Item<'openAndRecord'>).events.length : 0;
}

/** Throws when the store takes no changes. */
export async function tryOut(store: AuditStore): Promise<void> {
  await store.transaction((tx) => tx.takeTurn({ scope: 'tried out', holder: 'anybody', forMs: 0 }));
}

/** When so many fail and none has gone through, the rest need not be tried. */
const ENOUGH = 3;

async function writeAll<C extends Change>(ledger: Ledger, changes: readonly C[]): Promise<Map<C, unknown>> {
  const answers = new Map<C, unknown>();
  for (const [kind, writer] of Object.entries(WRITERS)) {
    const ofKind = changes.filter((change) => change.kind === kind);
    if (ofKind.length === 0) continue;
    const found = await (writer as Writer)(
      ledger,
      ofKind.map(({ item }) => item),
    );
    ofKind.forEach((change, index) => answers.set(change, found[index]));
  }
  return answers;
}
