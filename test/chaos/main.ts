/**
 * `npm run test:chaos`: breaks workers, Temporal and the audit's database at random while runs of all kinds go on, and
 * then asks an independent checker whether the audit tells all of it. Options: --minutes (5, shared by the stores),
 * --seed (a random number), --store sqlite or postgres (default: one after the other).
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runChaos, type ChaosResult } from './chaos.js';
import type { StoreKind } from './plan.js';
import { describeResult } from './report.js';
import { System } from './system.js';

const STORES: readonly StoreKind[] = ['sqlite', 'postgres'];
const AT_ONCE = 14;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, seed: { type: 'string' }, store: { type: 'string' } },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const stores = STORES.filter((store) => values.store === undefined || values.store === store);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || stores.length === 0) {
  throw new Error('Use --minutes <number above 0>, --seed <whole number>, --store sqlite or postgres');
}
const log = (line: string): void => console.error(line);
const storeOption = values.store === undefined ? '' : ` --store ${values.store}`;
const again = `npm run test:chaos -- --minutes ${minutes} --seed ${seed}${storeOption}`;
log(`seed ${seed}; the same again: ${again}`);

let running: System | undefined;
let isInterrupted = false;
// Ctrl-C ends what was started, too; then whatever still waits for it fails, and nobody needs to hear of that.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isInterrupted = true;
    void Promise.resolve(running?.stop()).finally(() => {
      running?.removeFiles();
      process.exit(1);
    });
  });
}
process.on('unhandledRejection', (error) => {
  if (!isInterrupted) throw error;
});

let found = 0;
for (const store of stores) {
  const result = await onFreshSystem(store);
  found += result.findings.length;
  console.log(describeResult(store, result));
}
console.log(`\nseed ${seed}: ${found} findings. The same again: ${again}`);
process.exitCode = found > 0 ? 1 : 0;

async function onFreshSystem(store: StoreKind): Promise<ChaosResult> {
  log(`\n${store}: starting`);
  const system = await System.start(store, log);
  running = system;
  let result: ChaosResult | undefined;
  try {
    const ms = (minutes * 60_000) / stores.length;
    result = await runChaos(system, { store, seed, ms, atOnce: AT_ONCE });
    return result;
  } finally {
    await system.stop();
    if (result && result.findings.length === 0) system.removeFiles();
    else log(`everything is kept in ${system.folder}`);
  }
}
