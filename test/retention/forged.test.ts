/** Somebody with a SQL prompt deletes a batch, and makes it look as if it had been purged. */
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventHash, purgedContent, rootOf, sealable } from '../../src/audit/proof.js';
import type { BatchRecord, Seal, Tombstone } from '../../src/domain/model.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { batchReader } from '../../src/engines/sqlite/readBatch.js';
import type { Found } from '../proof/foundBy.js';
import { said } from '../proof/foundBy.js';
import { PurgedQueue } from './purgedQueue.js';

let queue: PurgedQueue;
/** What the purge really removed, and what is removed behind the audit's back. */
let purged: BatchRecord;
let victim: BatchRecord;
let purge: BatchRecord;
let digestBefore: string;
let digestAfter: string;

beforeAll(async () => {
  queue = await PurgedQueue.open();
  purged = await queue.run('oneStep');
  ({ record: purge } = await queue.purge(purged));
  victim = await queue.run('oneStep');
  digestBefore = (await queue.cli('digest')).stdout;
  await queue.run('oneStep');
  digestAfter = (await queue.cli('digest')).stdout;
  // All in one file, so that it can be copied.
  queue.sql((db) => db.pragma('wal_checkpoint(TRUNCATE)'));
});
afterAll(() => queue?.close());

const MADE_UP = randomUUID();
let copies = 0;

/** What `verify` says of a copy of the audit to which somebody did this. */
async function verifyAfter(tamper: (db: Database.Database) => void, digests = ''): Promise<Found> {
  const folder = join(queue.folder, `copy-${++copies}`);
  mkdirSync(folder);
  copyFileSync(join(queue.folder, 'audit', 'Audit.db'), join(folder, 'Audit.db'));
  queue.sql(tamper, folder);
  const reader = await engine.openAuditReader({ url: `sqlite:${folder}` });
  try {
    return await queue.verify(digests, reader);
  } finally {
    await reader.close();
  }
}

function remove(db: Database.Database): void {
  for (const table of ['PipelineEvent', 'Alert', 'PipelineRun', 'PipelineLog']) {
    db.prepare(`DELETE FROM ${table} WHERE LogID = ?`).run(victim.batch.LogID);
  }
}

function seals(db: Database.Database): Seal[] {
  return db.prepare<[], Seal>('SELECT * FROM Seal ORDER BY SealNo').all();
}

function tombstone(db: Database.Database, more: Partial<Tombstone> = {}): Tombstone {
  const { LogID, RunID } = victim.batch;
  const { Root } = seals(db).findLast((seal) => seal.LogID === LogID)!;
  const PurgedAt = purge.batch.EndTime!;
  return { RunID: RunID!, LogID, Root, PurgedByLogID: purge.batch.LogID, PurgedAt, ...more };
}

function insert(db: Database.Database, row: Tombstone): void {
  db.prepare(
    'INSERT INTO Tombstone (RunID, LogID, Root, PurgedByLogID, PurgedAt) VALUES (@RunID, @LogID, @Root, @PurgedByLogID, @PurgedAt)',
  ).run(row);
}

/** At the end of the chain, as workers do. */
function seal(db: Database.Database, LogID: number, content: string, SealedAt: string): void {
  const last = seals(db).at(-1)!;
  const place = { SealNo: last.SealNo + 1, PrevRoot: last.Root };
  append(db, { LogID, ...place, Root: rootOf(content, place), SealedAt });
}

function append(db: Database.Database, row: Seal): void {
  db.prepare(
    'INSERT INTO Seal (SealNo, LogID, Root, PrevRoot, SealedAt) VALUES (@SealNo, @LogID, @Root, @PrevRoot, @SealedAt)',
  ).run(row);
}

/** With a tombstone and a seal that fit each other. */
function forge(db: Database.Database, more: Partial<Tombstone> = {}): void {
  const row = tombstone(db, more);
  remove(db);
  insert(db, row);
  seal(db, row.LogID, purgedContent([row]), row.PurgedAt);
}

function sealAnew(db: Database.Database, logID: number, at: string): void {
  seal(db, logID, sealable(batchReader(db)(logID)!)!, at);
}

/** The purge says that it purged one more, with all hashes right. */
function adjustPurge(db: Database.Database): void {
  const { LogID } = purge.batch;
  db.exec(`UPDATE PipelineLog SET RowsProcessed = 2 WHERE LogID = ${LogID}`);
  db.exec(
    `UPDATE PipelineEvent SET RowsProcessed = 2 WHERE LogID = ${LogID} AND StepName = 'purgeBatches' AND EventType = 'success'`,
  );
  const hash = db.prepare('UPDATE PipelineEvent SET EventHash = ? WHERE EventID = ?');
  for (const event of batchReader(db)(LogID)!.events) hash.run(eventHash(event), event.EventID);
}

/** A purge that never ran, certified and sealed like others. */
function makeUp(db: Database.Database, at: string): number {
  const added = db
    .prepare(
      `INSERT INTO PipelineLog (PipelineName, StartTime, EndTime, DurationMs, Status, RowsProcessed, Namespace, WorkflowID, RunID, OriginalRunID, WorkflowType)
       VALUES ('purgeAudit', @at, @at, 0, 'Success', 1, 'default', 'purge', @run, @run, 'purgeAudit')`,
    )
    .run({ at, run: MADE_UP });
  const logID = Number(added.lastInsertRowid);
  db.prepare(
    `INSERT INTO PipelineRun (RunID, LogID, Reason, StartTime, EndTime, Status, CertifiedAt, CertifiedEventID, HistoryHash, GapCount)
     VALUES (@run, @logID, 'start', @at, @at, 'Success', @at, 11, 'hash', 0)`,
  ).run({ at, logID, run: MADE_UP });
  return logID;
}

const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
const ofVictim = (): string => `batch ${victim.batch.LogID}`;

it('finds nothing where nothing was done', async () => {
  const found = await verifyAfter(() => undefined, digestBefore + digestAfter);
  expect(said(found)).toBe('');
  expect(found.purged).toBe(1);
});

it('finds a batch that was deleted without a tombstone, and a tombstone that was deleted', async () => {
  expect(said(await verifyAfter(remove))).toContain(`${ofVictim()} was deleted, or never was`);
  const found = await verifyAfter((db) => db.exec('DELETE FROM Tombstone'));
  expect(said(found)).toContain(`batch ${purged.batch.LogID} was deleted, or never was`);
});

it('finds a tombstone without a seal of its own', async () => {
  const found = await verifyAfter((db) => {
    const row = tombstone(db);
    remove(db);
    insert(db, row);
  });
  expect(said(found)).toContain(`the tombstone of ${ofVictim()} differs from seal`);
});

it.each(['PurgedAt', 'PurgedByLogID', 'Root', 'RunID'])(
  'finds an edited %s of a tombstone',
  async (column) => {
    const found = await verifyAfter((db) => db.exec(`UPDATE Tombstone SET ${column} = 7`));
    expect(said(found)).toContain(`the tombstone of batch ${purged.batch.LogID} differs from seal`);
  },
);

it('finds a run that was added to a tombstone, so that nobody misses it', async () => {
  const found = await verifyAfter((db) => {
    const { RunID } = victim.batch;
    db.exec(`INSERT INTO Tombstone SELECT '${RunID}', LogID, Root, PurgedByLogID, PurgedAt FROM Tombstone`);
  });
  expect(said(found)).toContain(`the tombstone of batch ${purged.batch.LogID} differs from seal`);
});

it('finds a tombstone of a batch that is there', async () => {
  const found = await verifyAfter((db) => {
    const row = tombstone(db);
    insert(db, row);
    seal(db, row.LogID, purgedContent([row]), row.PurgedAt);
  });
  expect(said(found)).toContain(`${ofVictim()} has a tombstone, and is there`);
});

it('finds a sealed tombstone that names a purge which was over by then, also when that was sealed anew', async () => {
  const over = new RegExp(
    `2 tombstones name batch ${purge.batch.LogID} as their purge: it was over at seal \\d+, and one of them has seal \\d+`,
  );
  const found = said(await verifyAfter(forge, digestBefore));
  expect(found).toMatch(over);
  expect(found).toContain(`batch ${purge.batch.LogID} as their purge: it has purged 1 batches`);
  const adjusted = await verifyAfter((db) => {
    forge(db);
    adjustPurge(db);
    sealAnew(db, purge.batch.LogID, purge.batch.EndTime!);
  }, digestAfter);
  expect(said(adjusted)).toMatch(over);
});

it('finds a tombstone that names a batch which is no purge, or none', async () => {
  const other = victim.batch.LogID + 1;
  const found = said(await verifyAfter((db) => forge(db, { PurgedByLogID: other })));
  expect(found).toContain(`1 tombstones name batch ${other} as their purge: it is no purge, but oneStep`);
  const none = said(await verifyAfter((db) => forge(db, { PurgedByLogID: 999 })));
  expect(none).toContain('1 tombstones name batch 999 as their purge: there is no such batch');
});

it('finds a purge of which there never was more than a tombstone', async () => {
  const found = await verifyAfter((db) => {
    forge(db, { PurgedByLogID: 888 });
    const itself = tombstone(db, { RunID: MADE_UP, LogID: 888, PurgedByLogID: 888 });
    insert(db, itself);
    seal(db, 888, purgedContent([itself]), itself.PurgedAt);
  });
  expect(said(found)).toMatch(/2 tombstones name batch 888 as their purge: it was over at seal \d+/);
});

it('by a digest, and by Temporal, finds a chain that was made anew with the tombstone in its place', async () => {
  const anew = (db: Database.Database): void => {
    const row = tombstone(db);
    remove(db);
    insert(db, row);
    adjustPurge(db);
    const old = seals(db);
    db.exec('DELETE FROM Seal');
    const end = old.findIndex(({ LogID }) => LogID === purge.batch.LogID);
    const content = (LogID: number): string => sealable(batchReader(db)(LogID)!)!;
    // The one that was really purged, before and after; the victim, before and after; the purge; the rest.
    const genuine = db
      .prepare<[number], Tombstone>('SELECT * FROM Tombstone WHERE LogID = ?')
      .all(purged.batch.LogID);
    const contents: Array<[number, string, string]> = [
      [purged.batch.LogID, 'gone', old[0]!.SealedAt],
      [purged.batch.LogID, purgedContent(genuine), genuine[0]!.PurgedAt],
      [row.LogID, 'gone', row.PurgedAt],
      [row.LogID, purgedContent([row]), row.PurgedAt],
      [purge.batch.LogID, content(purge.batch.LogID), old[end]!.SealedAt],
      ...old
        .slice(end + 1)
        .filter(({ LogID }) => LogID !== row.LogID)
        .map(({ LogID, SealedAt }): [number, string, string] => [LogID, content(LogID), SealedAt]),
    ];
    let last: Seal | undefined;
    for (const [LogID, text, SealedAt] of contents) {
      const place = { SealNo: (last?.SealNo ?? 0) + 1, PrevRoot: last?.Root ?? null };
      append(db, (last = { LogID, ...place, Root: rootOf(text, place), SealedAt }));
    }
  };
  const byTemporal = await verifyAfter(anew);
  expect(byTemporal.chain.findings).toEqual([]);
  expect(said(byTemporal)).toMatch(/altered: .*should have RowsProcessed 1 instead of 2/);
  expect(said(await verifyAfter(anew, digestBefore))).toMatch(/the digest of \d+ seals has another root/);
});

it('by Temporal finds a purge that never ran, and by a digest one that is said to have run long ago', async () => {
  const madeUp = (at: string) => (db: Database.Database) => {
    const logID = makeUp(db, at);
    forge(db, { PurgedByLogID: logID, PurgedAt: at });
    sealAnew(db, logID, at);
  };
  const recent = await verifyAfter(madeUp(new Date().toISOString()), digestBefore);
  expect(said(recent)).toContain(`Temporal does not know run ${MADE_UP}`);
  const old = await verifyAfter(madeUp(daysAgo(3)), digestBefore);
  expect(said(old)).toMatch(/seal \d+ says that it is of 20\S+, and the digest of 20\S+ does not have it/);
  // Nor does it help to let the seals be of today.
  const between = await verifyAfter((db) => {
    const logID = makeUp(db, daysAgo(3));
    const at = new Date().toISOString();
    forge(db, { PurgedByLogID: logID, PurgedAt: at });
    sealAnew(db, logID, at);
  }, digestBefore);
  expect(said(between)).toMatch(/as their purge: it ended at 20\S+, and one of them is of 20/);
});
