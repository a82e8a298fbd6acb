/** Keeps runs going, through all outages, until it is told that the time is over. */
import type { Client } from '@temporalio/client';
import { Dice } from '../support/dice.js';
import { Play, type StartedRun } from './play.js';
import { SCENARIOS } from './scenarios.js';

export interface Workload {
  readonly started: readonly StartedRun[];
  /** Resolves when the first run is over: then the system is up. */
  readonly first: Promise<void>;
  /** Starts no more runs. Resolves when all scenarios are over. */
  finish(): Promise<void>;
}

export function startWorkload(client: Client, seed: number, atOnce: number): Workload {
  const started: StartedRun[] = [];
  let isOver = false;
  let count = 0;
  const playNext = async (): Promise<void> => {
    const index = count++;
    // Each run has dice of its own: what it does depends on the seed and its number, not on who was faster.
    const dice = new Dice(seed + 7_919 * (index + 1));
    const name = index === 0 ? 'success' : scenarioOf(seed, index - 1);
    await SCENARIOS[name]!(new Play(client, `${name}-${index}`, started), dice);
  };
  const first = playNext();
  const lane = async (): Promise<void> => {
    await first;
    while (!isOver) await playNext();
  };
  const lanes = Promise.all(Array.from({ length: atOnce }, lane));
  // Whoever calls `finish` hears of an error; until then it is nobody's.
  lanes.catch(() => undefined);
  return {
    started,
    first,
    finish: async () => {
      isOver = true;
      await lanes;
    },
  };
}

/** In rounds, each of which has every scenario once, shuffled: a short run sees many kinds, too. */
function scenarioOf(seed: number, index: number): string {
  const names = Object.keys(SCENARIOS);
  const dice = new Dice(seed + Math.floor(index / names.length));
  const round: string[] = [];
  while (names.length > 0) round.push(...names.splice(dice.between(0, names.length - 1), 1));
  return round[index % round.length]!;
}
