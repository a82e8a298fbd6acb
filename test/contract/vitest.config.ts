/** The contract suite by itself: it needs no Temporal server. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { PATIENCE } from '../support/patience.js';

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/contract/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    expect: { poll: PATIENCE },
    // Much of the time is spent waiting: for a lock, for a server, for the pace of a store.
    maxWorkers: 3,
  },
});
