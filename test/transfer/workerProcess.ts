/** Workers as processes of their own: to be killed, or to have a clock of their own. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { typeScriptArguments } from '../../src/ownScript.js';
import { BatchtrailPlugin } from '../../src/plugin.js';
import { temporalAddress } from '../support/temporal.js';
import type { Rig } from './rig.js';
import { WORKFLOWS } from './rig.js';
import type { WorkerSettings } from './worker.js';

export class WorkerProcess {
  #child: ChildProcess | undefined;

  private constructor(readonly settings: WorkerSettings) {}

  /** Takes over the rig's task queue and its audit. */
  static async inPlaceOf(rig: Rig, more: Pick<WorkerSettings, 'clockOffsetMs'> = {}): Promise<WorkerProcess> {
    await rig.stopWorker();
    const { folder, taskQueue, connections } = rig;
    const auditUrl = `sqlite:${join(folder, 'audit')}`;
    return WorkerProcess.create(folder, { taskQueue, auditUrl, connections, ...more });
  }

  /** Of the ready-made workflows, whose bundle is put in the folder. */
  static async create(
    folder: string,
    settings: Omit<WorkerSettings, 'address' | 'bundleFile'>,
  ): Promise<WorkerProcess> {
    const { code } = await bundleWorkflowCode({
      workflowsPath: WORKFLOWS,
      plugins: [new BatchtrailPlugin({ audit: { url: settings.auditUrl } })],
      logger: new DefaultLogger('ERROR'),
    });
    const bundleFile = join(folder, 'bundle.js');
    writeFileSync(bundleFile, code);
    return new WorkerProcess({ address: temporalAddress(), bundleFile, ...settings });
  }

  async start(): Promise<void> {
    this.#child = fork(
      fileURLToPath(new URL('./worker.ts', import.meta.url)),
      [JSON.stringify(this.settings)],
      {
        execArgv: typeScriptArguments(),
      },
    );
    await once(this.#child, 'message');
  }

  async kill(): Promise<void> {
    if (!this.#child) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
    this.#child = undefined;
  }
}
