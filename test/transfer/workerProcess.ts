/** Workers as processes of their own, in place of the rig's: to be killed, or to have a clock of their own. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { typeScriptArguments } from '../../src/dev/ownScript.js';
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
    const auditUrl = `sqlite:${join(rig.folder, 'audit')}`;
    const { code } = await bundleWorkflowCode({
      workflowsPath: WORKFLOWS,
      plugins: [new BatchtrailPlugin({ audit: { url: auditUrl } })],
      logger: new DefaultLogger('ERROR'),
    });
    const bundleFile = join(rig.folder, 'bundle.js');
    writeFileSync(bundleFile, code);
    const { taskQueue, connections } = rig;
    return new WorkerProcess({
      ...{ address: temporalAddress(), taskQueue, bundleFile, auditUrl, connections },
      ...more,
    });
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
