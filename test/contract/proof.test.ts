import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Seal } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { everyEngine } from './engines.js';
import { NOW, open, runStart } from './rows.js';

everyEngine('seals', ({ audit }) => {
  const seal = (LogID: number, last: Seal | undefined): Seal => ({
    SealNo: (last?.SealNo ?? 0) + 1,
    LogID,
    Root: randomUUID(),
    PrevRoot: last?.Root ?? null,
    SealedAt: NOW,
  });
  const append = (store: AuditStore, logIDs: readonly number[]): Promise<Seal[]> =>
    store.transaction(async (tx) => {
      const seals: Seal[] = [];
      for (const logID of logIDs) seals.push(seal(logID, seals.at(-1) ?? (await tx.lastSeal())));
      await tx.insertSeals(seals);
      return seals;
    });

  it('are read as they were written, in the order of the chain, all or those of one batch', async () => {
    const [one, two] = [await open(audit.store, runStart()), await open(audit.store, runStart())];
    const seals = await append(audit.store, [one.LogID, two.LogID, one.LogID]);
    const reader = await audit.reader();
    const before = seals[0]!.SealNo - 1;
    expect(await reader.seals({ after: before, limit: 10 })).toEqual(seals);
    expect(await reader.seals({ after: before, limit: 2 })).toEqual(seals.slice(0, 2));
    expect(await reader.seals({ logID: one.LogID, limit: 10 })).toEqual([seals[0], seals[2]]);
    const latest = await audit.store.transaction((tx) => tx.findSeals([one.LogID, two.LogID, 999_999]));
    expect(latest.sort((a, b) => a.SealNo - b.SealNo)).toEqual([seals[1], seals[2]]);
    const seen = await reader.latestSeals([one.LogID, two.LogID, 999_999]);
    expect(seen.sort((a, b) => a.SealNo - b.SealNo)).toEqual([seals[1], seals[2]]);
    expect(await reader.latestSeals([])).toEqual([]);
    expect(await audit.store.transaction((tx) => tx.lastSeal())).toEqual(seals[2]);
  });

  it('of a batch that is not there are strays, and what batches have are none', async () => {
    const { LogID } = await open(audit.store, runStart());
    await append(audit.store, [LogID, 999_998, 999_998]);
    const strays = await (await audit.reader()).strays();
    expect(strays).toEqual([{ TableName: 'Seal', LogID: 999_998, RowsFound: 2 }]);
  });

  it('of two connections that add at the same time make one chain without a fork', async () => {
    const stores = await Promise.all([audit.another(), audit.another()]);
    const { LogID } = await open(audit.store, runStart());
    const before = (await audit.store.transaction((tx) => tx.lastSeal()))?.SealNo ?? 0;
    await Promise.all(Array.from({ length: 10 }, (_, index) => append(stores[index % 2]!, [LogID, LogID])));
    const chain = await (await audit.reader()).seals({ after: before, limit: 100 });
    expect(chain.map(({ SealNo }) => SealNo)).toEqual(chain.map((_, index) => before + index + 1));
    expect(chain).toHaveLength(20);
    expect(chain.slice(1).map(({ PrevRoot }) => PrevRoot)).toEqual(
      chain.slice(0, -1).map(({ Root }) => Root),
    );
  });

  it('that were not committed are not there', async () => {
    const { LogID } = await open(audit.store, runStart());
    const failing = audit.store.transaction(async (tx) => {
      await tx.insertSeals([seal(LogID, await tx.lastSeal())]);
      await tx.findSeals([LogID]);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await audit.store.transaction((tx) => tx.findSeals([LogID]))).toEqual([]);
  });
});

everyEngine('a store', ({ audit }) => {
  it('has an id of its own that does not change', async () => {
    const id = await audit.store.storeID();
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(await (await audit.another()).storeID()).toBe(id);
    expect(await (await audit.reader()).storeID()).toBe(id);
    const other = await audit.open(await audit.newPlace());
    await other.migrate();
    expect(await other.storeID()).not.toBe(id);
  });

  it('knows when it was made', async () => {
    const createdAt = await (await audit.reader()).createdAt();
    expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    // Less than a time zone, and more than the database's clock may differ.
    expect(Math.abs(Date.parse(createdAt) - Date.now())).toBeLessThan(20 * 60_000);
    expect(await (await audit.reader()).createdAt()).toBe(createdAt);
  });

  it('finds the runs that have a row', async () => {
    const { LogID, RunID } = await open(audit.store, runStart());
    const reader = await audit.reader();
    expect(await reader.runs([RunID, randomUUID()])).toMatchObject([{ LogID, RunID, Status: 'Running' }]);
    expect(await reader.runs([])).toEqual([]);
  });
});

everyEngine('a turn', ({ audit }) => {
  const take = (store: AuditStore, scope: string, holder: string, forMs: number) =>
    store.transaction((tx) => tx.takeTurn({ scope, holder, forMs }));

  it('is had by one at a time, and stays with who has it', async () => {
    const scope = randomUUID();
    const first = await take(audit.store, scope, 'one', 60_000);
    expect(first?.watermark).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(first!.watermark) - Date.now())).toBeLessThan(60_000);
    expect(await take(await audit.another(), scope, 'two', 60_000)).toBeUndefined();
    expect(await take(audit.store, scope, 'one', 60_000)).toEqual(first);
  });

  it('can be given up, or ends by itself', async () => {
    const scope = randomUUID();
    await take(audit.store, scope, 'one', 60_000);
    await take(audit.store, scope, 'one', 0);
    expect(await take(audit.store, scope, 'two', 200)).toBeDefined();
    // The database's clock decides, and there is nothing to await.
    await delay(400);
    expect(await take(audit.store, scope, 'one', 60_000)).toBeDefined();
  });

  it('of one work is nothing to another, and each remembers how far it has come', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    await take(audit.store, one, 'one', 60_000);
    const other = await take(audit.store, two, 'two', 60_000);
    await audit.store.transaction((tx) => tx.advance(one, '2026-03-29T01:02:03.004Z'));
    expect(await take(audit.store, one, 'one', 60_000)).toEqual({ watermark: '2026-03-29T01:02:03.004Z' });
    expect(await take(audit.store, two, 'two', 60_000)).toEqual(other);
  });

  it('that many want at the same time is had by one', async () => {
    const scope = randomUUID();
    const stores = await Promise.all([audit.another(), audit.another(), audit.another()]);
    const taken = await Promise.all(
      stores.map((store, index) => take(store, scope, `holder ${index}`, 60_000)),
    );
    expect(taken.filter((turn) => turn !== undefined)).toHaveLength(1);
  });
});
