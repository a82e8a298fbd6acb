/** An SQLite audit, a recorder on it, and what they log. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import type { LogEntry } from '@temporalio/worker';
import Database from 'better-sqlite3';
import type { Recorder } from '../../src/audit/recorder.js';
import type { PipelineRun } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { openRecorder } from '../support/recorder.js';
import { FaultyStore } from '../outage/faultyStore.js';

export class Looking {
  static async open(): Promise<Looking> {
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-looking-'));
    const real = await engine.openAuditStore({ url: `sqlite:${folder}` });
    await real.migrate();
    const store = new FaultyStore(real);
    const logged: LogEntry[] = [];
    const logger = new DefaultLogger('INFO', (entry) => logged.push(entry));
    const { recorder, close } = await openRecorder(store, logger);
    return new Looking(folder, store, recorder, logger, logged, close);
  }

  private constructor(
    readonly folder: string,
    readonly store: FaultyStore,
    readonly recorder: Recorder,
    readonly logger: DefaultLogger,
    readonly logged: LogEntry[],
    readonly closeRecorder: () => Promise<void>,
  ) {}

  /** The lines with this in them, and what they say of runs. */
  said(text: string): Array<Record<string, unknown>> {
    return this.logged.filter(({ message }) => message.includes(text)).map(({ meta }) => ({ ...meta }));
  }

  runs(runIDs: readonly string[]): Promise<PipelineRun[]> {
    return this.store.transaction((tx) => tx.findRuns(runIDs));
  }

  /** Behind the audit's back. */
  sql<T>(work: (db: Database.Database) => T): T {
    const db = new Database(join(this.folder, 'Audit.db'));
    try {
      return work(db);
    } finally {
      db.close();
    }
  }

  /** Another process writes, and does not end. */
  lock(): { release(): void } {
    const db = new Database(join(this.folder, 'Audit.db'));
    db.exec('BEGIN IMMEDIATE');
    return { release: () => db.close() };
  }

  async another(): Promise<AuditStore> {
    return engine.openAuditStore({ url: `sqlite:${this.folder}` });
  }

  async close(): Promise<void> {
    await this.closeRecorder();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
