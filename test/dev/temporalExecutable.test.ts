import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { findTemporal } from '../../src/dev/temporalExecutable.js';
import { temporalCli } from '../support/temporal.js';
import { startDownloadSite } from './downloadSite.js';
import { BUILDS_FAKE_TEMPORAL, FAKE_TEMPORAL, Machine } from './machine.js';
import { runScript } from './script.js';

const ANSWER = '(temporal version 9.9.9 (fake))';
const BROKEN_TEMPORAL = '#!/bin/sh\nexit 126\n';

// The machine's programs are shell scripts.
describe.skipIf(process.platform === 'win32')(
  'the Temporal CLI (its fakes are shell scripts: not on Windows)',
  () => {
    it('is the one that BATCHTRAIL_TEMPORAL_CLI names, before all others', async () => {
      const machine = await Machine.start();
      machine.install('bin/temporal', FAKE_TEMPORAL);
      const named = machine.install('mine/temporal', FAKE_TEMPORAL);
      vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', named);
      expect(await findTemporal(machine.report)).toBe(named);
      expect(machine.reported).toEqual([`Temporal CLI: ${named} ${ANSWER}`]);
    });

    it.each([
      ['is missing', undefined, /missing\/temporal is not there/],
      ['does not run', BROKEN_TEMPORAL, /missing\/temporal does not run \(126\)/],
      ['is something else', '#!/bin/sh\necho 1.2.3\n', /answers "1\.2\.3" to --version/],
    ])('that BATCHTRAIL_TEMPORAL_CLI names and that %s is an error', async (_fault, content, reason) => {
      const machine = await Machine.start();
      machine.install('bin/temporal', FAKE_TEMPORAL);
      if (content) machine.install('missing/temporal', content);
      vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', join(machine.root, 'missing/temporal'));
      const error = await findTemporal(machine.report).catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ name: 'BadConfig', message: expect.stringMatching(reason) as string });
      expect((error as Error).message).toContain('BATCHTRAIL_TEMPORAL_CLI');
    });

    it('comes from PATH before the cache', async () => {
      const machine = await Machine.start();
      machine.install('cache/temporal', FAKE_TEMPORAL);
      const onPath = machine.install('bin/temporal', FAKE_TEMPORAL);
      expect(await findTemporal(machine.report)).toBe(onPath);
      expect(machine.reported).toEqual([`Temporal CLI: ${onPath} ${ANSWER}`]);
    });

    it('comes from the cache when the one on PATH is broken', async () => {
      const machine = await Machine.start();
      const broken = machine.install('bin/temporal', BROKEN_TEMPORAL);
      machine.install('cache/temporal', FAKE_TEMPORAL);
      expect(await findTemporal(machine.report)).toBe(machine.cached);
      expect(machine.reported).toEqual([
        `Temporal CLI: on PATH, but ${broken} does not run (126)`,
        `Temporal CLI: ${machine.cached} ${ANSWER}`,
      ]);
    });

    it.skipIf(process.platform !== 'linux' || !hasOpenssl())(
      'is downloaded before it is built (Linux with openssl only: the stand-in site needs a certificate)',
      async () => {
        const machine = await Machine.start();
        machine.installGo(BUILDS_FAKE_TEMPORAL);
        // One that works, because the SDK starts what it downloaded.
        machine.install('site/temporal', `#!/bin/sh\nexec ${temporalCli()} "$@"\n`);
        vi.stubEnv('PATH', `${process.env.PATH}:/usr/bin:/bin`);
        await startDownloadSite(join(machine.root, 'site'));
        vi.stubEnv('PATH', join(machine.root, 'bin'));

        expect(await findTemporal(machine.report)).toBe(machine.cached);
        expect(readFileSync(machine.cached, 'utf8')).toContain(temporalCli());
        expect(machine.builds).toEqual([]);
        expect(machine.reported).toEqual([
          'Temporal CLI: not on PATH',
          `Temporal CLI: not in the cache folder ${machine.cache}`,
          expect.stringContaining('Temporal CLI: downloading the official build…'),
          expect.stringContaining(`Temporal CLI: ${machine.cached} (temporal version `),
        ]);
      },
    );

    it('is built with Go when it can not be downloaded', async () => {
      const machine = await Machine.start();
      machine.installGo(BUILDS_FAKE_TEMPORAL);
      vi.stubEnv('GOFLAGS', '-mod=vendor');
      expect(await findTemporal(machine.report)).toBe(machine.cached);
      expect(machine.builds).toEqual([
        'install -v github.com/temporalio/cli/cmd/temporal@v1.5.1 GOFLAGS=-mod=mod',
      ]);
      expect(machine.reported.slice(2)).toEqual([
        expect.stringContaining('Temporal CLI: downloading the official build…'),
        expect.stringContaining("Temporal CLI: the official build can't be downloaded: "),
        'Temporal CLI: building v1.5.1 with Go (about 6 minutes, once)…',
        `Temporal CLI: ${machine.cached} ${ANSWER}`,
      ]);
      expect(readdirSync(machine.cache).sort()).toEqual(['install.lock', 'temporal']);
    });

    it('that is half-written in the cache is replaced, and what a killed install left is removed', async () => {
      const machine = await Machine.start();
      machine.installGo(BUILDS_FAKE_TEMPORAL);
      // Empty, it would pass for a shell script that succeeds.
      machine.install('cache/temporal', '');
      mkdirSync(join(machine.cache, 'installing-old'));
      writeFileSync(join(machine.cache, 'installing-old', 'temporal'), 'half');
      expect(await findTemporal(machine.report)).toBe(machine.cached);
      expect(machine.reported).toContainEqual(
        expect.stringMatching(/^Temporal CLI: .*cache\/temporal.* it will be replaced$/),
      );
      expect(readFileSync(machine.cached, 'utf8')).toBe(FAKE_TEMPORAL);
      expect(readdirSync(machine.cache).sort()).toEqual(['install.lock', 'temporal']);
    });

    it('that a build leaves broken is not accepted', async () => {
      const machine = await Machine.start();
      machine.installGo(`printf '#!/bin/sh\\nexit 1\\n' > "$GOBIN/temporal"; chmod +x "$GOBIN/temporal"`);
      await expect(findTemporal(machine.report)).rejects.toThrow('does not run (1)');
      expect(existsSync(machine.cached)).toBe(false);
    });

    it('that nobody can provide is one error with all that was tried and the remedy', async () => {
      const machine = await Machine.start();
      machine.installGo('echo "first line" >&2; echo "proxy.example: no route to host" >&2; exit 1');
      const error = (await findTemporal(machine.report).catch((thrown: Error) => thrown)) as Error;
      expect(error.name).toBe('NotFound');
      expect(error.message.split('\n')).toEqual([
        'There is no Temporal CLI, and none could be installed. Tried:',
        '  - BATCHTRAIL_TEMPORAL_CLI is not set',
        '  - not on PATH',
        `  - not in the cache folder ${machine.cache}`,
        expect.stringContaining("  - the official build can't be downloaded: "),
        '  - go install ended with exit code 1:',
        '    first line',
        '    proxy.example: no route to host',
        expect.stringMatching(/^Shortest remedy: .*or set BATCHTRAIL_TEMPORAL_CLI/),
      ]);
    });

    it('has no cache where none can be made: the error says how to name another', async () => {
      const machine = await Machine.start();
      const file = machine.install('a-file', '');
      vi.stubEnv('BATCHTRAIL_CACHE', join(file, 'cache'));
      await expect(findTemporal(machine.report)).rejects.toThrow(
        /the cache folder .*a-file\/cache can't be made \(ENOTDIR\), name one that can be written in BATCHTRAIL_CACHE/,
      );
    });

    it('is installed once when two processes want it at the same time', async () => {
      const machine = await Machine.start();
      machine.installGo(`sleep 2\n${BUILDS_FAKE_TEMPORAL}`);
      const scripts = [runScript('findTemporalScript.ts'), runScript('findTemporalScript.ts')];
      const found = await Promise.all(scripts.map((script) => script.said('found ')));
      expect(found).toEqual([machine.cached, machine.cached]);
      expect(machine.builds).toHaveLength(1);
      expect(scripts.flatMap((script) => script.lines)).toContain(
        `Temporal CLI: another process is installing into ${machine.cache}, waiting for it…`,
      );
    });

    it('is installed by the next process when the one that built it was killed', async () => {
      const machine = await Machine.start();
      machine.installGo('sleep 60');
      const killed = runScript('findTemporalScript.ts');
      await vi.waitFor(() => expect(machine.builds).toHaveLength(1), { timeout: 10_000 });
      const next = runScript('findTemporalScript.ts');
      await next.said('Temporal CLI: another process is installing');

      machine.installGo(BUILDS_FAKE_TEMPORAL);
      killed.child.kill('SIGKILL');
      expect(await next.said('found ')).toBe(machine.cached);
      // Its Go is gone as well, with what Go started.
      await vi.waitFor(() => expect(processesWith('sleep 60')).toEqual([]), { timeout: 10_000 });
    });
  },
);

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function processesWith(command: string): string[] {
  const list = execFileSync('/bin/ps', ['-eo', 'stat=,args='], { encoding: 'utf8' }).split('\n');
  return list.filter((line) => line.endsWith(` ${command}`) && !line.startsWith('Z'));
}
