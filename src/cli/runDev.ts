import { delimiter, dirname, resolve } from 'node:path';
import type { Config } from '../config.js';
import type { DevServer } from '../dev/devServer.js';
import { startDevServer } from '../dev/devServer.js';
import { checkPort, freePorts } from '../dev/ports.js';
import { sampleFolder, withSample } from '../dev/sample.js';
import { takeServerFile } from '../dev/serverFile.js';
import { BadInput } from '../domain/errors.js';
import { connectToDevServer, isAskedByCommands } from './connect.js';
import { installRuntime, startEtlWorker } from './etlWorker.js';
import { painted, print } from './output.js';
import { quoted } from './ownCommand.js';

/** Where Temporal's own development server listens: clients look there when nobody tells them where else. */
const USUAL_PORT = 7233;
const USUAL_UI_PORT = 8233;

export async function runDev(config: Config, command: string): Promise<void> {
  const { file, release } = await takeServerFile(sampleFolder(config));
  let server: DevServer | undefined;
  try {
    server = await startDevServer({
      report: print,
      dbFile: file,
      ui: true,
      port: await portOrAnother(USUAL_PORT),
      uiPort: await portOrAnother(USUAL_UI_PORT),
    });
    installRuntime({ level: 'INFO', gracefulShutdown: true });
    print('Making the sample: orders of Northwind');
    const sample = await withSample(config);
    const place = await connectToDevServer(server);
    print('Starting a worker');
    const worker = await startEtlWorker(sample, place);
    print(instructions(server, sample.worker.taskQueue, command));
    await worker.ended;
    await place.connection.close();
  } finally {
    await server?.stop();
    release();
  }
}

async function portOrAnother(port: number): Promise<number> {
  try {
    await checkPort(port);
    return port;
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    const [another] = await freePorts(1);
    print(`Port ${port} is taken, using ${another}`);
    return another!;
  }
}

function instructions({ address, uiUrl, executable }: DevServer, taskQueue: string, command: string): string {
  const temporal = isOnPath(executable) ? 'temporal' : quoted(executable);
  const what = `--type northwindSalesElt --task-queue ${quoted(taskQueue)}`;
  return `
${painted('bold', 'Ready.')} Temporal is at ${address}, its Web UI at ${uiUrl}

Start the sample pipeline:
  ${temporal} workflow start --address ${address} ${what} --workflow-id sales-1

Run it every 30 minutes:
  ${temporal} schedule create --address ${address} --schedule-id sales --interval 30m ${what} --workflow-id sales

Look at it, prove it, repair what failed, in another terminal in this folder${elsewhere(address)}:
  ${command} batches
  ${command} verify
  ${command} replay --failed

Ctrl-C stops everything. The next dev in this folder goes on from here.`;
}

function elsewhere(address: string): string {
  return isAskedByCommands(address) ? '' : `, with TEMPORAL_ADDRESS=${address} in its environment`;
}

function isOnPath(executable: string): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => resolve(folder) === dirname(executable));
}
