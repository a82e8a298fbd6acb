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
    const purges: number[] = [];
    const options = { batches: BATCHES, slices: 2, quietSeconds: 1 };
    for await (const { purged, meanwhile } of measurePurge(`sqlite:${folder}`, options)) {
      purges.push(purged);
      expect(meanwhile.count).toBeGreaterThan(0);
      expect(meanwhile.longest).toBeLessThan(PATIENCE_MS);
    }
    expect(purges).toEqual([BATCHES / 2, BATCHES / 2]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
