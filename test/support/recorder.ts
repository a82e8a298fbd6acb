/** A recorder on a store that is open already, as tests and benchmarks need it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import type { Logger } from '@temporalio/common';
import { Recorder } from '../../src/audit/recorder.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { openOutbox } from '../../src/engines/index.js';

export interface OpenRecorder {
  readonly recorder: Recorder;
  /** Closes it and its store, and removes its outbox. */
  close(): Promise<void>;
}

export async function openRecorder(
  store: AuditStore,
  logger: Logger = new DefaultLogger('ERROR', () => undefined),
  strict = false,
): Promise<OpenRecorder> {
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-outbox-'));
  const recorder = new Recorder({
    openStore: async () => store,
    openOutbox: () => openOutbox(join(folder, 'outbox.db')),
    strict,
    logger,
  });
  await recorder.start();
  return {
    recorder,
    close: async () => {
      await recorder.shutdown();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
