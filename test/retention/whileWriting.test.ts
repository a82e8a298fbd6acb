/** The short form of `npm run bench:purge`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { measurePurge } from '../../bench/purge/measure.js';

const BATCHES = 300;
/** A store that takes longer for one change counts as one that does not answer. */
const PATIENCE_MS = 5_000;

it('purges while others write, who wait no longer than for a store that answers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-while-writing-'));
  try {
    const { purged, meanwhile } = await measurePurge(`sqlite:${folder}`, BATCHES, 1);
    expect(purged).toBe(BATCHES);
    expect(meanwhile.count).toBeGreaterThan(0);
    expect(meanwhile.longest).toBeLessThan(PATIENCE_MS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
