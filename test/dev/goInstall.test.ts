import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { goInstall } from '../../src/dev/goInstall.js';
import { BUILDS_FAKE_TEMPORAL, Machine } from './machine.js';

// The machine's programs are shell scripts.
describe.skipIf(process.platform === 'win32')(
  'a build with Go (its fakes are shell scripts: not on Windows)',
  () => {
    it.each([
      ['go1.24.9', 'Go 1.25 or newer is needed to build it, and here is "go version go1.24.9 linux/amd64"'],
      ['devel', 'Go 1.25 or newer is needed to build it, and here is "go version devel linux/amd64"'],
      [undefined, 'Go 1.25 or newer is needed to build it, and there is no Go on PATH'],
    ])('is not tried with Go %s', async (version, reason) => {
      const machine = await Machine.start();
      if (version) machine.installGo(BUILDS_FAKE_TEMPORAL, version);
      await expect(goInstall(machine.root, machine.report)).rejects.toThrow(reason);
      expect(machine.builds).toEqual([]);
    });

    it('shows that it is alive, and what it is at', async () => {
      const machine = await Machine.start();
      const goOn = join(machine.root, 'go-on');
      machine.installGo(`echo one/package >&2; echo another/package >&2
while [ ! -e ${goOn} ]; do sleep 0.1; done
${BUILDS_FAKE_TEMPORAL}`);
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const file = goInstall(machine.root, machine.report);
      await vi.waitFor(() => {
        vi.advanceTimersByTime(15_000);
        expect(machine.reported.at(-1)).toMatch(/^building v1\.5\.1 with Go .*… \d+ s, at another\/package$/);
      });
      writeFileSync(goOn, '');
      expect(await file).toBe(join(machine.root, 'temporal'));
    });
  },
);
