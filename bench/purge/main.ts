/**
 * `npm run bench:purge`: how long a purge takes, and how long others who write batches wait meanwhile.
 * Options: --batches (100000), --engines (sqlite,postgres), --seconds (10; of writing without a purge, before and after).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../../test/endpoints/postgres.js';
import { EVENTS_PER_BATCH } from './fill.js';
import type { Waits } from './measure.js';
import { measurePurge } from './measure.js';

const { values } = parseArgs({
  options: {
    batches: { type: 'string', default: '100000' },
    engines: { type: 'string', default: 'sqlite,postgres' },
    seconds: { type: 'string', default: '10' },
  },
});
const batches = Number(values.batches);

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
    const { purged, seconds, quiet, meanwhile } = await measurePurge(url, batches, Number(values.seconds));
    console.log(
      `\n${name}: ${purged} batches with ${EVENTS_PER_BATCH} events each purged in ${seconds.toFixed(0)} s`,
    );
    console.log(`  waits of writers, ms   p50      p95      longest  calls`);
    console.log(`  without a purge        ${line(quiet)}`);
    console.log(`  meanwhile              ${line(meanwhile)}`);
    console.log(`  p95, of that without   ${(meanwhile.p95 / quiet.p95).toFixed(2)}`);
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
