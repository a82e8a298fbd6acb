/** An audit that is filled without a worker, and a Temporal that says what a test wants it to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunHistory } from '../../src/audit/history.js';
import { RateLimit } from '../../src/audit/rateLimit.js';
import type { ClosedRun, RunKey } from '../../src/audit/temporalReader.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import type { What } from '../../src/audit/verifyAudit.js';
import type { AuditReader, AuditStore } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import type { Found } from './foundBy.js';
import { foundBy } from './foundBy.js';

const NOT_FOUND = 5;
export const DAY_MS = 86_400_000;

/** Has the histories that it is given, keeps them for a day, and knows one namespace unless told otherwise. */
export class KnownTemporal extends TemporalReader {
  readonly histories = new Map<string, RunHistory>();
  closedRuns: ClosedRun[] = [];
  keptMs = DAY_MS;
  asked: string[] = [];
  queries: string[] = [];
  readonly namespaces = new Map<string, KnownTemporal>();

  constructor(namespace = 'default') {
    super(undefined as never, namespace);
    this.namespaces.set(namespace, this);
  }

  override inNamespace(namespace: string): TemporalReader {
    const known = this.namespaces.get(namespace);
    if (known) return known;
    const unknown = new KnownTemporal(namespace);
    unknown.retentionMs = () => Promise.reject(notFound());
    return unknown;
  }

  override async history({ RunID }: RunKey): Promise<RunHistory> {
    this.asked.push(RunID);
    const history = this.histories.get(RunID);
    if (!history) throw notFound();
    return history;
  }

  override async retentionMs(): Promise<number> {
    return this.keptMs;
  }

  override async *closed(query: string): AsyncGenerator<ClosedRun[]> {
    this.queries.push(query);
    yield this.closedRuns;
  }
}

function notFound(): Error {
  return Object.assign(new Error('not found'), { code: NOT_FOUND, details: '', metadata: {} });
}

export class Audited {
  static async open(): Promise<Audited> {
    const folder = mkdtempSync(join(tmpdir(), 'batchtrail-audited-'));
    const url = `sqlite:${folder}`;
    const store = await engine.openAuditStore({ url });
    await store.migrate();
    return new Audited(folder, store, await engine.openAuditReader({ url }));
  }

  readonly temporal = new KnownTemporal();

  constructor(
    readonly folder: string,
    readonly store: AuditStore,
    readonly reader: AuditReader,
  ) {}

  get file(): string {
    return join(this.folder, 'Audit.db');
  }

  verify(what: Partial<What> = {}, reader = this.reader): Promise<Found> {
    return foundBy(reader, this.temporal, { taskQueue: 'etl', rate: new RateLimit(10_000, 1), ...what });
  }

  async close(): Promise<void> {
    await this.reader.close();
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
