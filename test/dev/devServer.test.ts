import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startDevServer, type DevServer, type DevServerOptions } from '../../src/dev/devServer.js';
import { temporalCli } from '../support/temporal.js';
import { Machine } from './machine.js';
import { runScript } from './script.js';

let machine: Machine;

beforeEach(async () => {
  machine = await Machine.start();
  vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', temporalCli());
});

async function start(options: Partial<DevServerOptions> = {}): Promise<DevServer> {
  const server = await startDevServer({ report: machine.report, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function listenOnFreePort(): Promise<{ listener: Server; port: number }> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  return { listener, port: (listener.address() as AddressInfo).port };
}

describe('a development server', () => {
  it('answers, says what it does, serves its Web UI, and leaves nothing when it is stopped', async () => {
    const dbFile = join(machine.root, 'temporal.db');
    const server = await start({ ui: true, dbFile });
    const connection = await Connection.connect({ address: server.address });
    const { namespaceInfo } = await connection.workflowService.describeNamespace({
      namespace: server.namespace,
    });
    await connection.close();
    expect(namespaceInfo?.name).toBe('default');
    expect((await fetch(server.uiUrl!)).status).toBe(200);
    expect(existsSync(dbFile)).toBe(true);
    // A start that takes its time has more of them.
    expect(machine.reported.slice(1).filter((line) => !line.includes('…'))).toEqual([
      `Temporal server: starting at ${server.address}`,
      `Temporal server: ready at ${server.address}, Web UI at ${server.uiUrl}`,
    ]);

    expect(processesOf(server.address)).not.toEqual([]);
    await server.stop();
    await server.stop();
    expect(processesOf(server.address)).toEqual([]);
  });

  it('has no Web UI when nobody asked for one, and does not mind a second one beside it', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.uiUrl).toBeUndefined();
    expect(one.address).not.toBe(two.address);
  });

  it('never touches the server that TEMPORAL_ADDRESS or a profile names', async () => {
    const { listener, port } = await listenOnFreePort();
    const onConnection = vi.fn();
    listener.on('connection', onConnection);
    const profile = join(machine.root, 'temporal.toml');
    writeFileSync(profile, `[profile.mine]\naddress = "127.0.0.1:${port}"\n`);
    vi.stubEnv('TEMPORAL_ADDRESS', `127.0.0.1:${port}`);
    vi.stubEnv('TEMPORAL_NAMESPACE', 'mine');
    vi.stubEnv('TEMPORAL_CONFIG_FILE', profile);
    vi.stubEnv('TEMPORAL_PROFILE', 'mine');
    const server = await start();
    expect(server.address).not.toBe(`127.0.0.1:${port}`);
    await server.stop();
    expect(onConnection).not.toHaveBeenCalled();
  });

  it('hides the variables of Temporal from the CLI, and no others', async () => {
    machine.install(
      'env/temporal',
      `#!/bin/sh\n/usr/bin/env > ${machine.root}/seen\necho "temporal version 0"\n`,
    );
    vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', join(machine.root, 'env/temporal'));
    vi.stubEnv('TEMPORAL_ADDRESS', 'mine.example:7233');
    vi.stubEnv('UNRELATED', 'yes');
    await expect(start()).rejects.toThrow('did not start (exit code 0)');
    const seen = execFileSync('/bin/cat', [join(machine.root, 'seen')], { encoding: 'utf8' });
    expect(seen).not.toContain('\nTEMPORAL_');
    expect(seen).toContain('UNRELATED=yes');
  });

  it('is reached without the proxy that the environment names', async () => {
    vi.stubEnv('no_proxy', undefined);
    vi.stubEnv('no_grpc_proxy', undefined);
    vi.stubEnv('https_proxy', process.env.HTTPS_PROXY);
    await start();
  });

  it.each(['port', 'uiPort'] as const)('refuses a %s that is taken, and says which', async (option) => {
    const { port } = await listenOnFreePort();
    await expect(start({ ui: true, [option]: port })).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is taken by another program. Name another port, or none`,
    );
  });

  it('takes another port when somebody was faster', async () => {
    const taken = join(machine.root, 'taken');
    const cli = machine.install(
      'slow/temporal',
      `#!/bin/sh
if [ "$1" = server ] && [ ! -e ${taken} ]; then
  : > ${taken}
  echo "can't set frontend port: listen tcp: bind: address already in use" >&2
  exit 1
fi
exec ${temporalCli()} "$@"
`,
    );
    vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', cli);
    await start();
    expect(machine.reported).toContain(
      'Temporal server: another program was faster at taking a port, trying again',
    );
  });

  it('is not mistaken for another server that answers at its address', async () => {
    // Becomes a server like any other at the port that ours was to have, and then ours gives up.
    const cli = machine.install(
      'late/temporal',
      `#!/bin/sh
PATH=/usr/bin:/bin
[ "$1" = server ] || exec ${temporalCli()} "$@"
${temporalCli()} "$@" > /dev/null &
sleep 3
kill $!
echo "the wrong one answered" >&2
exit 7
`,
    );
    vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', cli);
    await expect(start()).rejects.toThrow('did not start (exit code 7). It said:\nthe wrong one answered');
  });

  it('that dies at once fails with the end of its stderr', async () => {
    const dbFile = machine.install('temporal.db', 'this is not a database, and longer than the head of one');
    await expect(start({ dbFile })).rejects.toThrow(
      /^The Temporal server did not start \(exit code 1\)\. With its file \S+temporal\.db moved away, .*It said:\n.*not a database/s,
    );
  });

  it('keeps its data in a file whose path means something else in a URL, and for a month', async () => {
    const folder = join(machine.root, '100%41 #1 ü');
    mkdirSync(folder);
    const dbFile = join(folder, 'temporal.db');
    for (const time of ['first', 'second']) {
      const server = await start({ dbFile });
      const connection = await Connection.connect({ address: server.address });
      const { config } = await connection.workflowService.describeNamespace({ namespace: server.namespace });
      const days = Number(config?.workflowExecutionRetentionTtl?.seconds) / 86_400;
      expect({ time, days, hasFile: existsSync(dbFile) }).toEqual({ time, days: 30, hasFile: true });
      await connection.close();
      await server.stop();
    }
  });
});

// Signals as POSIX knows them.
describe.skipIf(process.platform === 'win32')(
  'the end of the process that started a server (by POSIX signals: not on Windows)',
  () => {
    it('leaves no server, whatever the end', async () => {
      const end = async (way: string, signal?: NodeJS.Signals) => {
        const script = runScript('serverScript.ts', way);
        const address = (await script.said('server ')).split(' ')[1]!;
        if (signal) process.kill(script.child.pid, signal);
        return { way, ending: await script.ended, address };
      };
      const ends = await Promise.all([
        end('natural end'),
        end('process.exit'),
        end('SIGINT', 'SIGINT'),
        end('SIGTERM', 'SIGTERM'),
        end('SIGKILL', 'SIGKILL'),
      ]);
      expect(ends.map(({ ending }) => ending)).toEqual([0, 3, 'SIGINT', 'SIGTERM', 'SIGKILL']);
      const survivors = () =>
        ends.filter(({ address }) => processesOf(address).length > 0).map(({ way }) => way);
      await vi.waitFor(() => expect(survivors()).toEqual([]), { timeout: 8_000 });
    });

    it('by Ctrl-C, which every process of the terminal gets, leaves the server up for as long as it is needed', async () => {
      const script = runScript('serverScript.ts', 'clean shutdown');
      const address = (await script.said('server ')).split(' ')[1]!;
      process.kill(-script.child.pid, 'SIGINT');
      expect(await script.ended).toBe(0);
      expect(script.lines).toContain('the server is still there');
      expect(processesOf(address)).toEqual([]);
    });
  },
);

/** The server at an address and its keeper: both have the port in their command line. */
function processesOf(address: string): string[] {
  const port = address.split(':')[1];
  const list = execFileSync('/bin/ps', ['-eo', 'stat=,args='], { encoding: 'utf8' }).split('\n');
  return list.filter((line) => line.includes(` --port ${port} `) && !line.startsWith('Z'));
}
