/** Whoever shuts down must not be kept by a database that does not answer. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, it } from 'vitest';
import type { AuditStore } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';
import { Proxy } from '../chaos/proxy.js';
import { open, runStart } from '../contract/rows.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startPostgres } from '../endpoints/postgres.js';

const LONG_MS = 60_000;

const server = await ifPossible(startPostgres({ fsync: false }), 'Silent servers of PostgreSQL');
afterAll(() => server?.stop());

async function storeAt(url: string): Promise<AuditStore> {
  const store = await (await engineFor(url, 'url')).openAuditStore({ url });
  await store.migrate();
  await open(store, runStart());
  return store;
}

/** How long it takes to close a store for which several wait, each of whom is told. */
async function msToClose(store: AuditStore): Promise<number> {
  const refusals = [1, 2, 3].map(() => expect(open(store, runStart())).rejects.toThrow());
  const began = Date.now();
  await store.close();
  const ms = Date.now() - began;
  await Promise.all(refusals);
  return ms;
}

it('a SQLite file that is locked by another program is let go of at once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'batchtrail-closing-'));
  const store = await storeAt(`sqlite:${folder}`);
  const lock = new Database(join(folder, 'Audit.db'));
  lock.exec('BEGIN IMMEDIATE');
  expect(await msToClose(store)).toBeLessThan(3_000);
  lock.close();
  rmSync(folder, { recursive: true });
});

it.skipIf(!server)(
  'a PostgreSQL server that has fallen silent is let go of within seconds',
  async () => {
    const url = new URL(server!.url);
    const proxy = await Proxy.start({ host: url.hostname, port: Number(url.port) });
    try {
      url.port = String(proxy.port);
      const store = await storeAt(url.href);
      proxy.delayMs = LONG_MS;
      let begin!: () => void;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const underWay = expect(
        store.transaction((tx) => {
          begin();
          return tx.findBatches([1]);
        }),
      ).rejects.toThrow();
      await begun;
      // Connections that are being made have 10 s.
      expect(await msToClose(store)).toBeLessThan(13_000);
      await underWay;
    } finally {
      await proxy.stop();
    }
  },
  40_000,
);
