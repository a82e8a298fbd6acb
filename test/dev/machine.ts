/**
 * A machine of the test's own: PATH, cache and home lie in a fresh folder, Temporal's download site can't be reached,
 * and what is "installed" are shell scripts. Fakes stand in for programs only where a test needs their faults, or their
 * minutes.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { freePorts } from '../../src/dev/ports.js';

/** A CLI that answers `--version` and can do nothing else. */
export const FAKE_TEMPORAL = `#!/bin/sh\necho "temporal version 9.9.9 (fake)"\n`;

export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), 'batchtrail-test-'));
  readonly cache = join(this.root, 'cache');
  readonly cached = join(this.cache, 'temporal');
  readonly reported: string[] = [];
  readonly report = (line: string): void => void this.reported.push(line);

  static async start(): Promise<Machine> {
    const machine = new Machine();
    const [closedPort] = await freePorts(1);
    onTestFinished(() => {
      vi.unstubAllEnvs();
      rmSync(machine.root, { recursive: true, force: true });
    });
    vi.stubEnv('PATH', join(machine.root, 'bin'));
    vi.stubEnv('BATCHTRAIL_CACHE', machine.cache);
    vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', undefined);
    vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${closedPort}`);
    vi.stubEnv('https_proxy', undefined);
    return machine;
  }

  /** Puts an executable file at a path below the machine's root. */
  install(path: string, content: string | Buffer): string {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, 0o755);
    return file;
  }

  /** Puts a `go` on PATH whose `install` runs these shell lines; it notes each call in `builds`. */
  installGo(lines: string, version = 'go1.26.1'): void {
    this.install(
      'bin/go',
      `#!/bin/sh
PATH=/usr/bin:/bin
if [ "$1" = version ]; then echo "go version ${version} linux/amd64"; exit; fi
echo "$@ GOFLAGS=$GOFLAGS" >> ${this.root}/builds
${lines}
`,
    );
  }

  /** Every call of the fake Go so far. */
  get builds(): string[] {
    const file = join(this.root, 'builds');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }
}

/** Shell lines for `installGo`: what a build that works leaves behind. */
export const BUILDS_FAKE_TEMPORAL = `cat > "$GOBIN/temporal" <<'END'\n${FAKE_TEMPORAL}END\nchmod +x "$GOBIN/temporal"`;
