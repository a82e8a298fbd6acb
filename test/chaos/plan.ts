/** Which faults come when. A pure function of the seed: the same seed makes the same faults at the same times. */
import { Dice } from '../support/dice.js';

export type StoreKind = 'sqlite' | 'postgres';

export const WORKERS = 2;

interface KindFacts {
  /** The store that can have this fault. Default: every store. */
  readonly store?: StoreKind;
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  /** What it takes away; two faults at once never take away the same thing. */
  readonly hits: 'worker' | 'temporal' | 'database' | 'delay' | 'connections' | 'lock' | 'outbox';
}

const KINDS = {
  'worker killed': { weight: 4, hits: 'worker' },
  'Temporal server stopped': { weight: 1, hits: 'temporal' },
  'Temporal server killed': { weight: 1, hits: 'temporal' },
  'SQLite file locked': { store: 'sqlite', weight: 4, hits: 'lock' },
  'PostgreSQL stopped at once': { store: 'postgres', weight: 2, hits: 'database' },
  'PostgreSQL slow': { store: 'postgres', weight: 2, hits: 'delay' },
  'connection cut within a statement': { store: 'postgres', weight: 2, hits: 'connections' },
  'connection cut before the answer to a commit': { store: 'postgres', weight: 2, hits: 'connections' },
  'outbox full': { weight: 2, hits: 'outbox' },
} satisfies Record<string, KindFacts>;

export type FaultKind = keyof typeof KINDS;

export interface Fault {
  readonly kind: FaultKind;
  /** Milliseconds after the beginning. */
  readonly at: number;
  readonly lasts: number;
  /** For the kinds that hit one worker: which. */
  readonly worker: number;
  /** From 0 to 1: how hard, for the kinds that know degrees. */
  readonly degree: number;
  /** Faults that name the same thing here never overlap. */
  readonly thing: string;
}

const FIRST_AT = 500;
const SHORTEST = 300;
const LONGEST = 5_000;
/** What was taken away needs this long to be back at work before it is taken away again. */
const RECOVERY = 3_000;
const MOST_CALM = 4_000;
const OVERLAP = 0.45;

export function planFaults(seed: number, store: StoreKind, ms: number): Fault[] {
  const dice = new Dice(seed);
  const faults: Fault[] = [];
  const busyUntil = new Map<string, number>();
  for (let at = FIRST_AT; at + SHORTEST <= ms;) {
    const lasts = Math.min(dice.between(SHORTEST, LONGEST), ms - at);
    const worker = dice.between(0, WORKERS - 1);
    const degree = dice.next();
    const kind = pickKind(dice, store, (thing) => (busyUntil.get(thing) ?? 0) <= at, worker);
    if (kind) {
      const thing = thingOf(kind, worker);
      busyUntil.set(thing, at + lasts + RECOVERY);
      faults.push({ kind, at, lasts, worker, degree, thing });
    }
    at += dice.chance(OVERLAP) ? dice.between(0, lasts) : lasts + dice.between(SHORTEST, MOST_CALM);
  }
  return faults;
}

function pickKind(
  dice: Dice,
  store: StoreKind,
  isFree: (thing: string) => boolean,
  worker: number,
): FaultKind | undefined {
  const possible = entries().filter(
    ([kind, facts]) => (facts.store ?? store) === store && isFree(thingOf(kind, worker)),
  );
  const weighted = possible.flatMap(([kind, { weight }]) => Array.from({ length: weight }, () => kind));
  return weighted.length > 0 ? dice.pick(weighted) : undefined;
}

function thingOf(kind: FaultKind, worker: number): string {
  const { hits } = KINDS[kind];
  return hits === 'worker' || hits === 'outbox' ? `${hits} ${worker}` : hits;
}

function entries(): Array<[FaultKind, KindFacts]> {
  return Object.entries(KINDS) as Array<[FaultKind, KindFacts]>;
}
