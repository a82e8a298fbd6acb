import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';
import { PATIENCE } from './test/support/patience.js';

/** Files that wait for most of their time, and long: begun first, none of them is what all wait for in the end. */
const LONG =
  /test\/(endings|chaos|outage\/(workers|holding)|proof\/reconciling|replay\/(replay|waiting)|transfer\/(killed|holding|postgres)|engines\/snowflakePace)/;

/** As processes that work there call it: on macOS its path goes by a link, and Windows may shorten it. */
const TEMPORARY = realpathSync.native(tmpdir());

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    env: { TMPDIR: TEMPORARY, TEMP: TEMPORARY, TMP: TEMPORARY },
    globalSetup: ['test/support/globalSetup.ts'],
    // For what hangs. A machine that is busy with other work as well takes its time.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    expect: { poll: PATIENCE },
    // Two cores; most files wait more than they work, for a server, a lock or a timeout.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
  },
});
