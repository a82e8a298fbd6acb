import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openRecorder } from '../support/recorder.js';
import type { BatchRef } from '../../src/domain/model.js';
import { engineFor } from '../../src/engines/index.js';
import { everyEngine } from './engines.js';
import { event, open, read, record, runStart } from './rows.js';

everyEngine('trouble', ({ engine, audit, ifAble }) => {
  ifAble('endConnections', 'ended connections are replaced before anybody notices', async () => {
    const login = await audit.place.worker!();
    const store = await audit.another(login.url);
    const reader = await audit.reader(login.url);
    const ref = await open(store, runStart());
    await reader.batch(ref.LogID);
    expect(await login.endConnections()).toBeGreaterThan(0);
    await record(store, [event(ref)]);
    expect((await reader.batch(ref.LogID))!.events).toHaveLength(1);
  });

  ifAble(
    'endConnections',
    'a connection that ends within a transaction leaves nothing half-written',
    async () => {
      const login = await audit.place.worker!();
      const store = await audit.another(login.url);
      const ref = await open(store, runStart());
      let times = 0;
      const dying = store.transaction(async (tx) => {
        await tx.putEvents([event(ref, { ActivityID: `${++times}` })]);
        // Where the engine runs the work again, it may succeed the second time.
        if (times === 1) await login.endConnections();
        await tx.putEvents([event(ref, { ActivityID: 'second' })]);
      });
      const hasFailed = await dying.then(
        () => false,
        () => true,
      );
      const { events } = await read(audit.store, ref);
      expect(events.map(({ ActivityID }) => ActivityID).sort()).toEqual(hasFailed ? [] : ['2', 'second']);
      await record(store, [event(ref)]);
      expect(await read(audit.store, ref)).toMatchObject({ batch: { LogID: ref.LogID } });
    },
  );

  ifAble('endConnections', 'the recorder loses nothing when connections end under it', async () => {
    const login = await audit.place.worker!();
    const { recorder } = await audit.recorder({ url: login.url });
    const refs = await Promise.all(Array.from({ length: 5 }, () => recorder.open(runStart())));
    for (let round = 1; round <= 4; round++) {
      const writing = refs.map((ref) => recorder.record([event(ref, { ActivityID: `${round}` })]));
      await login.endConnections();
      await Promise.all(writing);
    }
    // What was durable in the outbox first is here a little later.
    for (const ref of refs)
      await expect.poll(async () => (await read(audit.store, ref)).events.length).toBe(4);
  });

  ifAble(
    'readOnly',
    'a read-only database says so, can be read, and is written again afterwards',
    async () => {
      const ref = await open(audit.store, runStart());
      const { url, undo } = await audit.place.makeReadOnly!();
      try {
        const writing = audit.another(url).then(async (store) => {
          expect(await store.migrate()).toEqual([]);
          await record(store, [event(ref)]);
        });
        await expect(writing).rejects.toThrow(/read.?only|right to write|permission/i);
        expect((await (await audit.reader(url)).batch(ref.LogID))!.events).toEqual([]);
      } finally {
        await undo();
      }
      await record(await audit.another(url), [event(ref)]);
      expect((await read(audit.store, ref)).events).toHaveLength(1);
    },
  );

  ifAble(
    'full',
    'a full database takes all of a change or nothing, and goes on when there is room',
    async () => {
      const store = await audit.another();
      const ref = await open(store, runStart());
      const { undo } = await audit.place.fill!(store);
      const large = ['1', '2', '3'].map((ActivityID) =>
        event(ref, { ActivityID, ErrorMessage: 'x'.repeat(1_000_000) }),
      );
      await expect(record(store, large)).rejects.toThrow(/full/i);
      expect((await read(audit.store, ref)).events).toEqual([]);
      await undo();
      await record(store, large);
      expect((await read(audit.store, ref)).events).toHaveLength(3);
    },
  );

  ifAble(
    'full',
    'the recorder keeps what a full database refuses, says so, and writes it later',
    async () => {
      const complaints: LogEntry[] = [];
      const logger = new DefaultLogger('INFO', (entry) => complaints.push(entry));
      const { recorder, store } = await audit.recorder({ logger });
      const ref = await recorder.open(runStart());
      const { undo } = await audit.place.fill!(store);
      await recorder.record([event(ref, { ErrorMessage: 'x'.repeat(1_000_000) })]);
      expect(complaints.map(({ message }) => message)).toContainEqual(
        expect.stringMatching(/does not take changes/),
      );
      expect((await read(audit.store, ref)).events).toEqual([]);
      await undo();
      await expect.poll(async () => (await read(audit.store, ref)).events.length).toBe(1);
    },
  );

  ifAble(
    'holdLock',
    'a lock that somebody else holds is waited for, without holding up the event loop',
    async () => {
      const store = await audit.another();
      const { release } = await audit.place.holdLock!();
      const opening = open(store, runStart());
      let longestTurn = 0;
      const turning = (async () => {
        for (let turns = 0; turns < 20; turns++) {
          const began = Date.now();
          await delay(5);
          longestTurn = Math.max(longestTurn, Date.now() - began);
        }
      })();
      const early = await Promise.race([opening, turning]);
      await release();
      await opening;
      expect(early).toBeUndefined();
      // A driver that waits by itself takes 5 s and more.
      expect(longestTurn).toBeLessThan(2_000);
    },
  );

  ifAble(
    'restart',
    'a restarted server is not noticed between two calls, and the recorder loses nothing',
    async () => {
      const server = await engine.startOwn!();
      const toClose: Array<{ close(): Promise<void> }> = [];
      try {
        const { url } = server;
        const { openAuditReader, openAuditStore } = await engineFor(url, 'url');
        const store = await openAuditStore({ url });
        toClose.push(store);
        await store.migrate();
        const reader = await openAuditReader({ url });
        toClose.push(reader);
        const ref = await open(store, runStart());
        await reader.batch(ref.LogID);

        await server.restart();
        await record(store, [event(ref)]);
        expect((await reader.batch(ref.LogID))!.events).toHaveLength(1);

        const { recorder, close } = await openRecorder(store);
        toClose.push({ close });
        const refs: BatchRef[] = [];
        let isBack = false;
        const restarting = server.restart().then(() => (isBack = true));
        while (!isBack) {
          const opened = await recorder.open(runStart());
          await recorder.record([event(opened)]);
          refs.push(opened);
        }
        await restarting;
        const counts = async (): Promise<number[]> => {
          const records = await store.transaction((tx) => tx.readBatches(refs.map(({ LogID }) => LogID)));
          return records.map(({ events }) => events.length);
        };
        await expect.poll(counts).toEqual(refs.map(() => 1));
      } finally {
        await Promise.allSettled(toClose.map((one) => one.close()));
        await server.stop();
      }
    },
  );

  it('a store that was closed refuses work, and closing waits for what is under way', async () => {
    const place = audit.place;
    const { url, schema } = place;
    const store = await (await engineFor(url, 'url')).openAuditStore({ url, schema });
    const ref = await open(store, runStart());
    let begin: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const recording = store.transaction(async (tx) => {
      await tx.findBatches([ref.LogID]);
      begin();
      await tx.putEvents([event(ref)]);
    });
    await begun;
    await store.close();
    await recording;
    expect((await read(audit.store, ref)).events).toHaveLength(1);
    await expect(open(store, runStart())).rejects.toThrow();
  });
});
