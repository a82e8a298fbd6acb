/** Everything that the faults hit: a Temporal server with a file, the audit's database, two worker processes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { startDevServer, type DevServer } from '../../src/dev/devServer.js';
import { BatchtrailPlugin } from '../../src/index.js';
import { openAuditDatabase, type AuditDatabase } from './auditDatabase.js';
import { WORKERS, type StoreKind } from './plan.js';
import { WorkerSeat } from './workerSeat.js';

export const TASK_QUEUE = 'chaos';

export class System {
  static async start(store: StoreKind, report: (line: string) => void): Promise<System> {
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-chaos-'));
    const system = new System(folder, report);
    try {
      await system.#start(store);
      return system;
    } catch (error) {
      await system.stop();
      system.removeFiles();
      throw error;
    }
  }

  readonly journalFolder: string;
  seats: WorkerSeat[] = [];
  #server: DevServer | undefined;
  #database: AuditDatabase | undefined;
  #client: Client | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(
    readonly folder: string,
    readonly report: (line: string) => void,
  ) {
    this.journalFolder = join(folder, 'journals');
  }

  get database(): AuditDatabase {
    return this.#database!;
  }

  get client(): Client {
    return this.#client!;
  }

  get address(): string {
    return this.#server!.address;
  }

  async #start(store: StoreKind): Promise<void> {
    mkdirSync(this.journalFolder);
    this.#database = await openAuditDatabase(store, this.folder);
    this.#server = await this.#startServer();
    const { address } = this.#server;
    // A server that was down is found again soon after it is back.
    const channelArgs = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 };
    this.#client = new Client({ connection: await Connection.connect({ address, channelArgs }) });
    const settings = {
      address,
      taskQueue: TASK_QUEUE,
      bundleFile: await this.#bundle(),
      auditUrl: this.database.url,
      journalFolder: this.journalFolder,
    };
    this.seats = Array.from(
      { length: WORKERS },
      (_, index) => new WorkerSeat(index + 1, this.folder, settings),
    );
    for (const seat of this.seats) seat.start();
  }

  #startServer(port?: number): Promise<DevServer> {
    return startDevServer({
      report: () => undefined,
      dbFile: join(this.folder, 'temporal.db'),
      ...(port === undefined ? {} : { port }),
    });
  }

  async #bundle(): Promise<string> {
    const file = join(this.folder, 'workflows.js');
    const { code } = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
      plugins: [new BatchtrailPlugin({ audit: { url: this.database.url } })],
    });
    writeFileSync(file, code);
    return file;
  }

  async stopServer(how: 'stopped' | 'killed'): Promise<void> {
    const server = this.#server!;
    if (how === 'killed') process.kill(server.pid, 'SIGKILL');
    await server.stop();
  }

  /** At the same address, with what the file remembers. */
  async restartServer(): Promise<void> {
    const port = Number(this.address.split(':').at(-1));
    this.#server = await this.#startServer(port);
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.seats.map((seat) => seat.stop()));
  }

  /** Ends all that runs; the files stay until `removeFiles`. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await Promise.all(this.seats.map((seat) => seat.kill()));
    await this.#client?.connection.close();
    await this.#server?.stop();
    await this.#database?.stop();
  }

  removeFiles(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
