import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { typeScriptArguments } from '../../src/ownScript.js';
import type * as Migrations from '../../src/engines/shared/migrations.js';
import { engineFor } from '../../src/engines/index.js';
import { everyEngine } from './engines.js';
import { event, open, read, record, runHistory, runStart, settle } from './rows.js';

/** An earlier batchtrail is one that knows fewer migrations. */
const earlier = vi.hoisted(() => ({ knows: Infinity }));
vi.mock('../../src/engines/shared/migrations.js', async (original) => {
  const real = await original<typeof Migrations>();
  return {
    ...real,
    readMigrations: (...of: Parameters<typeof real.readMigrations>) =>
      real.readMigrations(...of).slice(0, earlier.knows),
  };
});
afterEach(() => {
  earlier.knows = Infinity;
});

const MIGRATOR = fileURLToPath(new URL('./migrator.ts', import.meta.url));

everyEngine('migrating', ({ engine, audit }) => {
  const folder = engine.scheme;
  const versions = readdirSync(new URL(`../../src/engines/${folder}/migrations/`, import.meta.url))
    .filter((file) => file.endsWith('.sql'))
    .map((file) => Number(file.slice(0, 4)))
    .sort((a, b) => a - b);

  it('that never happened is what a reader is told, and how it does', async () => {
    const place = await audit.newPlace();
    // On SQLite: somebody opened the audit, and did not get as far as making the tables.
    await audit.open(place);
    const { openAuditReader } = await engineFor(place.url, 'url');
    const reading = openAuditReader(place).then((reader) => reader.batches({}).finally(() => reader.close()));
    await expect(reading).rejects.toThrow(/batchtrail migrate/);
  });

  it('by 20 processes at once leaves one result', async () => {
    const place = await audit.newPlace();
    const children: ChildProcess[] = [];
    try {
      // All of them stand at the line before the first one runs.
      for (let number = 0; number < 20; number += 5) {
        const started = Array.from({ length: 5 }, () =>
          fork(MIGRATOR, [place.url, place.schema], { execArgv: typeScriptArguments(), stdio: 'inherit' }),
        );
        children.push(...started);
        await Promise.all(started.map(answer));
      }
      const answers = await Promise.all(
        children.map((child) => {
          child.send('go');
          return answer(child);
        }),
      );
      // Where no lock holds the others off, one may apply the first version and another the next.
      expect(answers.flat().sort((a, b) => a - b)).toEqual(versions);
    } finally {
      for (const child of children) child.kill();
    }
    const expected = await audit.place.shape();
    expect(await place.shape()).toEqual(expected);
    expect(await place.run(`SELECT Version FROM ${place.table('SchemaVersion')}`)).toHaveLength(
      versions.length,
    );
    expect(await place.run(`SELECT StoreID FROM ${place.table('Store')}`)).toHaveLength(1);
  }, 180_000);

  it('answers what it applied, and the second time that there was nothing to do', async () => {
    const place = await audit.newPlace();
    expect(await (await audit.open(place)).migrate()).toEqual(versions);
    expect(await (await audit.open(place)).migrate()).toEqual([]);
  });

  it('by hand, with the printed script, makes what migrate makes and leaves nothing to apply', async () => {
    const place = await audit.newPlace();
    const { migrationScript } = await engineFor(place.url, 'url');
    await place.runScript(migrationScript({ url: place.url, schema: place.schema }));
    expect(await place.shape()).toEqual(await audit.place.shape());
    const store = await audit.open(place);
    expect(await store.migrate()).toEqual([]);
    const start = runStart();
    const ref = await open(store, start);
    await record(store, [event(ref)]);
    expect((await read(store, ref)).events).toHaveLength(1);
    expect(await place.run(`SELECT StoreID FROM ${place.table('Store')}`)).toHaveLength(1);
  });

  for (const version of versions) {
    it(`from version ${version} keeps the data`, async () => {
      const place = await audit.newPlace();
      earlier.knows = versions.indexOf(version) + 1;
      const before = await audit.open(place);
      expect(await before.migrate()).toEqual(versions.slice(0, earlier.knows));
      // By hand, and only what every version has: the ledger writes columns of the newest.
      const at = '2026-03-29 00:59:59.999';
      await place.run(
        `INSERT INTO ${place.table('PipelineLog')} (PipelineName, StartTime, Status, Namespace, WorkflowID, RunID, OriginalRunID, WorkflowType)
         VALUES ('Pipeline', ${time(at)}, 'Running', 'default', 'w', 'old', 'old', 'load')`,
      );
      const [row] = await place.run(`SELECT LogID FROM ${place.table('PipelineLog')}`);
      const LogID = Number(row!['logid']);
      await place.run(
        `INSERT INTO ${place.table('PipelineRun')} (RunID, LogID, Reason, StartTime, Status)
         VALUES ('old', ${LogID}, 'start', ${time(at)}, 'Running')`,
      );
      await place.run(
        `INSERT INTO ${place.table('PipelineEvent')} (EventID, LogID, RunID, StepName, EventType, EventTime, Witness, RowsProcessed)
         VALUES ('e1', ${LogID}, 'old', 'step', 'info', ${time(at)}, 'live', 9007199254740991)`,
      );
      const stores = (): Promise<unknown[]> => place.run(`SELECT StoreID FROM ${place.table('Store')}`);
      const storeID = await stores();

      earlier.knows = Infinity;
      const store = await audit.open(place);
      expect(await store.migrate()).toEqual(versions.filter((newer) => newer > version));
      expect(await place.shape()).toEqual(await audit.place.shape());
      expect(await stores()).toEqual(storeID);
      const { batch, runs, events } = await read(store, { LogID });
      expect(batch).toMatchObject({ StartTime: '2026-03-29T00:59:59.999Z', WorkflowID: 'w', RetryCount: 0 });
      expect(runs).toMatchObject([{ RunID: 'old', StartTime: '2026-03-29T00:59:59.999Z' }]);
      expect(events).toMatchObject([{ EventID: 'e1', RowsProcessed: Number.MAX_SAFE_INTEGER }]);
      const start = runStart({ RunID: 'old', WorkflowID: 'w', StartTime: batch.StartTime });
      await settle(store, [runHistory(start)]);
      expect((await read(store, { LogID })).batch.Status).toBe('Success');
    });
  }

  it('refuses a schema that is newer than the code', async () => {
    const place = await audit.newPlace();
    await (await audit.open(place)).migrate();
    earlier.knows = versions.length - 1;
    const refused = (await audit.open(place)).migrate();
    await expect(refused).rejects.toThrow(/has version \d+, this batchtrail knows up to \d+\. Upgrade/);
    await expect(refused).rejects.toMatchObject({ name: 'BadConfig' });
  });

  it('refuses a schema that another file than the one of this version made', async () => {
    const place = await audit.newPlace();
    await (await audit.open(place)).migrate();
    await place.run(`UPDATE ${place.table('SchemaVersion')} SET Checksum = 'other' WHERE Version = 1`);
    await expect((await audit.open(place)).migrate()).rejects.toThrow(
      /was made by another 0001_\w+\.sql than this batchtrail has/,
    );
  });

  it('makes a second schema beside the first, and neither sees what the other holds', async () => {
    const place = await audit.newPlace();
    const beside = await place.beside();
    try {
      const [one, other] = [await audit.open(place), await audit.open(beside)];
      await Promise.all([one.migrate(), other.migrate()]);
      const start = runStart();
      const ref = await open(one, start);
      await record(one, [event(ref)]);
      const twin = await open(other, start);
      expect((await read(one, ref)).events).toHaveLength(1);
      expect((await read(other, twin)).events).toEqual([]);
      await settle(other, [runHistory(start)]);
      expect((await read(one, ref)).batch.Status).toBe('Running');
      const ids = await Promise.all(
        [place, beside].map((it) => it.run(`SELECT StoreID FROM ${it.table('Store')}`)),
      );
      expect(new Set(ids.flat().map((row) => row['storeid'])).size).toBe(2);
      expect(String(ids[0]![0]!['storeid'])).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i);
    } finally {
      await beside.drop();
    }
  });

  /** SQLite compares times as texts, so what is written there by hand must be spelled as the engine spells it. */
  function time(at: string): string {
    return engine.scheme === 'sqlite' ? `'${at.replace(' ', 'T')}Z'` : `'${at}'`;
  }
});

/** The child's next message: that it is ready, or the versions that it applied. */
async function answer(child: ChildProcess): Promise<number[]> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`A migrating process ended with exit code ${code}`);
  });
  ended.catch(() => undefined);
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [number[]];
  return message;
}
