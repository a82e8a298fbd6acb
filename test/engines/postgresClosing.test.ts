import { afterAll, expect, it } from 'vitest';
import { startPostgres } from '../endpoints/postgres.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { engineFor } from '../../src/engines/index.js';
import { Proxy } from '../chaos/proxy.js';
import { open, runStart } from '../contract/rows.js';

const LONG_MS = 60_000;

const server = await ifPossible(startPostgres({ fsync: false }), 'Silent servers of PostgreSQL');
afterAll(() => server?.stop());

it.skipIf(!server)(
  'closing a store whose server has fallen silent takes seconds, and who waits for an answer is told',
  async () => {
    const url = new URL(server!.url);
    const proxy = await Proxy.start({ host: url.hostname, port: Number(url.port) });
    try {
      url.port = String(proxy.port);
      const store = await (await engineFor(url.href, 'url')).openAuditStore({ url: url.href });
      await store.migrate();
      await open(store, runStart());
      proxy.delayMs = LONG_MS;
      const refusal = expect(open(store, runStart())).rejects.toThrow();
      const began = Date.now();
      await store.close();
      expect(Date.now() - began).toBeLessThan(8_000);
      await refusal;
    } finally {
      await proxy.stop();
    }
  },
  30_000,
);
