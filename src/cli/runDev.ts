import { delimiter, dirname, resolve } from 'node:path';
import type { Config } from '../config.js';
import type { DevServer } from '../dev/devServer.js';
import { startDevServer } from '../dev/devServer.js';
import { checkPort, freePorts } from '../dev/ports.js';
import { withSample } from '../dev/sample.js';
import { BadInput } from '../domain/errors.js';
import { connectToDevServer } from './connect.js';
import { installRuntime, startEtlWorker } from './etlWorker.js';
import { painted, print } from './output.js';
import { quoted } from './ownCommand.js';

/** Where Temporal's own development server listens: clients look there when nobody tells them where else. */
const USUAL_PORT = 7233;
const USUAL_UI_PORT = 8233;

export async function runDev(config: Config): Promise<void> {
  const server = await startDevServer({
    report: print,
    ui: true,
    port: await portOrAnother(USUAL_PORT),
    uiPort: await portOrAnother(USUAL_UI_PORT),
  });
  try {
    installRuntime({ level: 'INFO', gracefulShutdown: true });
    print('Making the sample: orders of Northwind');
    const sample = await withSample(config);
    const place = await connectToDevServer(server);
    print('Starting a worker');
    const worker = await startEtlWorker(sample, place);
    print(instructions(server, sample.worker.taskQueue));
    await worker.ended;
    await place.connection.close();
  } finally {
    await server.stop();
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

function instructions({ address, uiUrl, executable }: DevServer, taskQueue: string): string {
  const temporal = isOnPath(executable) ? 'temporal' : quoted(executable);
  const what = `--type northwindSalesElt --task-queue ${quoted(taskQueue)}`;
  return `
${painted('bold', 'Ready.')} Temporal is at ${address}, its Web UI at ${uiUrl}

Start the sample pipeline:
  ${temporal} workflow start --address ${address} ${what} --workflow-id sales-1

Run it every 30 minutes:
  ${temporal} schedule create --address ${address} --schedule-id sales --interval 30m ${what} --workflow-id sales

Ctrl-C stops everything.`;
}

function isOnPath(executable: string): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => resolve(folder) === dirname(executable));
}
