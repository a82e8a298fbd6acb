import { inspect } from 'node:util';
import { expect } from 'vitest';
import { everyEngine } from './engines.js';
import { event, open, read, record, runHistory, runStart, settle } from './rows.js';

everyEngine('rights', ({ audit, ifAble }) => {
  ifAble('users', 'a worker that may not create tables runs on a schema that is there', async () => {
    const login = await audit.place.worker!();
    const store = await audit.another(login.url);
    expect(await store.migrate()).toEqual([]);
    const start = runStart();
    const ref = await open(store, start);
    await record(store, [event(ref, { EventType: 'start' }), event(ref, { EventType: 'failure' })]);
    await settle(store, [runHistory(start, { status: 'Error' }, [{}])]);
    const { batch, events, alerts } = await read(store, ref);
    expect([batch.Status, events.length, alerts.length]).toEqual(['Error', 2, 2]);
    const reader = await audit.reader(login.url);
    expect((await reader.batch(ref.LogID))!.batch).toEqual(batch);
  });

  ifAble(
    'withoutDelete',
    'a worker that may not delete can do all but purge, and says what is missing',
    async () => {
      const old = runStart();
      const { LogID } = await open(audit.store, old);
      await settle(audit.store, [runHistory(old)]);
      const login = await audit.place.worker!();
      const store = await audit.another(login.url);
      const removing = store.transaction(async (tx) => {
        await tx.lockBatches([LogID]);
        await tx.removeBatches([LogID]);
      });
      const error = await failure(removing);
      expect(error.name).toBe('BadConfig');
      expect(error.message).toContain('lacks the right DELETE');
      expect((await read(audit.store, { LogID })).batch.Status).toBe('Success');
    },
  );

  ifAble(
    'users',
    'a worker that may not create tables says so when there is something to apply',
    async () => {
      const place = await audit.newPlace();
      const login = await audit.place.worker!();
      const migrating = audit.open(place, login.url).then((store) => store.migrate());
      const error = await failure(migrating);
      expect(error.name).toBe('BadConfig');
      expect(error.message).toMatch(/right|permission|grant|--print/i);
      expect(error.message).not.toContain('\n');
      expect(inspect(error, { depth: 10 })).not.toContain(new URL(login.url).password);
    },
  );

  ifAble('users', 'somebody without any right is told which one is missing', async () => {
    const login = await audit.place.stranger!();
    const starting = audit.another(login.url).then((store) => store.migrate());
    const error = await failure(starting);
    expect(error.name).toBe('BadConfig');
    expect(error.message).toMatch(/right|permission|grant/i);
    expect(error.message).not.toContain('\n');
    const reading = audit.reader(login.url).then((reader) => reader.batches({}));
    expect((await failure(reading)).message).toMatch(/right|permission|grant/i);
  });
});

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => {
      throw new Error('This should have failed');
    },
    (error: unknown) => error as Error,
  );
}
