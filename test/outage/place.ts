/** An audit in a SQLite file that can be locked, an outbox beside it, and what is logged meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import type { DeliveryOptions } from '../../src/audit/delivery.js';
import { Recorder } from '../../src/audit/recorder.js';
import type { PipelineEvent, PipelineLog, PipelineRun } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { engineFor, openOutbox } from '../../src/engines/index.js';

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly meta: Record<string, unknown>;
}

export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'batchtrail-outage-'));
  readonly url = `sqlite:${this.folder}`;
  readonly outboxFile = join(this.folder, 'outbox.db');
  readonly lines: Line[] = [];
  readonly logger = new DefaultLogger('INFO', ({ level, message, meta }) =>
    this.lines.push({ level, message, meta: meta ?? {} }),
  );
  readonly #toClose: Array<() => unknown> = [];

  constructor() {
    onTestFinished(async () => {
      for (const close of this.#toClose.reverse()) await close();
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** The store as plugins open it. */
  async openStore(): Promise<AuditStore> {
    const store = await (await engineFor(this.url, 'url')).openAuditStore({ url: this.url });
    await store.migrate();
    return store;
  }

  async recorder(options: Partial<DeliveryOptions> = {}): Promise<Recorder> {
    const recorder = new Recorder({
      openStore: () => this.openStore(),
      openOutbox: () => openOutbox(this.outboxFile),
      strict: false,
      logger: this.logger,
      ...options,
    });
    await recorder.start();
    this.#toClose.push(() => recorder.shutdown());
    return recorder;
  }

  /** Another program takes the file's write lock, until the function that this answers is called. */
  lock(): () => void {
    const db = new Database(join(this.folder, 'Audit.db'));
    db.exec('BEGIN EXCLUSIVE');
    this.#toClose.push(() => db.close());
    return () => void db.close();
  }

  /** What is in the store, in the order in which it came there. */
  events(runID?: string): PipelineEvent[] {
    if (runID === undefined) return this.#read('SELECT * FROM PipelineEvent ORDER BY rowid');
    return this.#read('SELECT * FROM PipelineEvent WHERE RunID = ? ORDER BY rowid', runID);
  }

  runs(): PipelineRun[] {
    return this.#read('SELECT * FROM PipelineRun');
  }

  /** The batch of a workflow, with its events by time. */
  batch({ workflowId }: { workflowId: string }): { batch: PipelineLog; events: PipelineEvent[] } | undefined {
    const [batch] = this.#read<PipelineLog>('SELECT * FROM PipelineLog WHERE WorkflowID = ?', workflowId);
    if (!batch) return undefined;
    const events = this.#read<PipelineEvent>(
      'SELECT * FROM PipelineEvent WHERE LogID = ? ORDER BY EventTime, rowid',
      batch.LogID,
    );
    return { batch, events };
  }

  #read<Row>(sql: string, ...values: unknown[]): Row[] {
    const db = new Database(join(this.folder, 'Audit.db'), { readonly: true });
    try {
      return db.prepare(sql).all(...values) as Row[];
    } finally {
      db.close();
    }
  }

  steps(runID: string): Array<string | null> {
    return this.events(runID).map(({ ActivityID }) => ActivityID);
  }

  /** What waits in the outbox. */
  async outbox() {
    const outbox = await openOutbox(this.outboxFile);
    const state = await outbox.state();
    await outbox.close();
    return state;
  }

  said(text: string): Line[] {
    return this.lines.filter(({ message }) => message.includes(text));
  }
}
