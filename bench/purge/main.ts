/**
 * `npm run bench:purge`: how long a purge takes, and how long others who write batches wait meanwhile.
 * Options: --batches (100000), --slices (10; purged one after the other), --engines (sqlite,postgres),
 * --seconds (10; of writing without a purge, before and after each slice).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../../test/endpoints/postgres.js';
import { spread } from '../spread.js';
import { EVENTS_PER_BATCH } from './fill.js';
import type { Waits } from './measure.js';
import { measurePurge } from './measure.js';

const { values } = parseArgs({
  options: {
    batches: { type: 'string', default: '100000' },
    slices: { type: 'string', default: '10' },
    engines: { type: 'string', default: 'sqlite,postgres' },
    seconds: { type: 'string', default: '10' },
  },
});
const batches = Number(values.batches);
const options = { batches, slices: Number(values.slices), quietSeconds: Number(values.seconds) };

const ENGINES: Record<string, () => Promise<{ url: string; stop: () => Promise<void> }>> = {
  async sqlite() {
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-bench-'));
    return { url: `sqlite:${folder}`, stop: async () => rmSync(folder, { recursive: true, force: true }) };
  },
  postgres: startPostgres,
};

for (const name of values.engines.split(',')) {
  const start = ENGINES[name];
  if (!start) throw new Error(`--engines: no engine ${name}. Known: ${Object.keys(ENGINES).join(', ')}`);
  const { url, stop } = await start();
  try {
    console.log(`\n${name}: ${batches} batches with ${EVENTS_PER_BATCH} events each`);
    console.log(`  waits of writers, ms              p50      p95      longest  calls`);
    const ratios: number[] = [];
    let purgedInAll = 0;
    let secondsInAll = 0;
    for await (const { purged, seconds, quiet, meanwhile } of measurePurge(url, options)) {
      console.log(`  without a purge                   ${line(quiet)}`);
      console.log(`  ${`while ${purged} in ${seconds.toFixed(0)} s`.padEnd(32)}  ${line(meanwhile)}`);
      ratios.push(meanwhile.p95 / quiet.p95);
      purgedInAll += purged;
      secondsInAll += seconds;
    }
    console.log(`  purged ${purgedInAll}, ${(purgedInAll / secondsInAll).toFixed(0)} a second`);
    console.log(`  p95, of that without a purge: ${spread(ratios, 2)}`);
  } finally {
    await stop();
  }
}

function line({ p50, p95, longest, count }: Waits): string {
  return [p50.toFixed(1), p95.toFixed(1), longest.toFixed(0), String(count)]
    .map((text) => text.padEnd(9))
    .join('')
    .trimEnd();
}
