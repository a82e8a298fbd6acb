import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { startKept } from '../../src/dev/keptProcess.js';

it('a process that ended a moment ago, which nobody has heard of yet, can be stopped all the same', async () => {
  const kept = await startKept(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  process.kill(kept.pid, 'SIGKILL');
  // This process hears nothing while it waits for another one.
  spawnSync(process.execPath, ['-e', 'setTimeout(() => {}, 1500)']);
  await kept.stop();
  expect(await kept.ended).toBe('signal SIGKILL');
});
