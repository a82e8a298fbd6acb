/** Everything that somebody with a SQL prompt can do to the audit, and what finds it. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDigests } from '../../src/audit/chain.js';
import { eventHash, rootOf, sealable } from '../../src/audit/proof.js';
import { TemporalReader } from '../../src/audit/temporalReader.js';
import type { What } from '../../src/audit/verifyAudit.js';
import type { PipelineEvent, Seal } from '../../src/domain/model.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { batchReader } from '../../src/engines/sqlite/readBatch.js';
import { AuditedQueue } from './auditedQueue.js';
import type { Found } from './foundBy.js';
import { foundBy, said } from './foundBy.js';

let queue: AuditedQueue;
let digest: string;

beforeAll(async () => {
  queue = await AuditedQueue.open();
  await queue.audited(async () => {
    await queue.run('threeSteps');
    await queue.run('oneStep', [{ failures: 1, rows: 7 }]);
    await queue.run('oneStep', [{ failures: 9 }, { retry: { maximumAttempts: 2, initialInterval: '50ms' } }]);
    await queue.certified();
  });
  // All in one file, so that it can be copied.
  queue.sql((db) => db.pragma('wal_checkpoint(TRUNCATE)'));
  const { code, stdout } = await queue.cli('digest');
  expect(code).toBe(0);
  digest = stdout;
});
afterAll(() => queue.close());

let copies = 0;

/** What `verify` says of a copy of the audit to which somebody did this. */
async function verifyAfter(
  tamper: (db: Database.Database) => void,
  options: Partial<What> = {},
): Promise<Found> {
  const folder = join(queue.folder, `copy-${++copies}`);
  mkdirSync(folder);
  copyFileSync(queue.file, join(folder, 'Audit.db'));
  queue.sql(tamper, join(folder, 'Audit.db'));
  const reader = await engine.openAuditReader({ url: `sqlite:${folder}` });
  try {
    const temporal = new TemporalReader(() => queue.client, 'default');
    return await foundBy(reader, temporal, { taskQueue: queue.taskQueue, ...options });
  } finally {
    await reader.close();
  }
}

const withDigest = (): Partial<What> => ({ digests: parseDigests(digest, 'digests') });

const LAST_SUCCESS = "EventType = 'success' AND LogID = 1 AND ActivityID = '3'";

describe('verify', () => {
  it('finds nothing where nothing was done', async () => {
    const found = await verifyAfter(() => undefined, withDigest());
    expect(said(found)).toBe('');
    expect(found.batches.map(({ verdict }) => verdict)).toEqual(['certified', 'certified', 'certified']);
    expect(found.ok).toBe(true);
  });

  it('names an event that was edited', async () => {
    const found = await verifyAfter((db) =>
      db.exec(`UPDATE PipelineEvent SET RowsProcessed = 11 WHERE ${LAST_SUCCESS}`),
    );
    expect(found.batches.map(({ verdict }) => verdict)).toEqual(['certified', 'certified', 'altered']);
    expect(said(found)).toMatch(
      /^1 altered: event \w+, success of step \(activity 3, attempt 1\), differs from its hash/m,
    );
  });

  it('finds an edited event whose hash was made anew', async () => {
    const found = await verifyAfter((db) => {
      db.exec(`UPDATE PipelineEvent SET Message = 'nothing to see here' WHERE ${LAST_SUCCESS}`);
      hashAnew(db);
    });
    expect(said(found)).toMatch(/^1 altered: its rows differ from seal \d+/m);
  });

  it('names an event that was deleted', async () => {
    const found = await verifyAfter((db) => db.exec(`DELETE FROM PipelineEvent WHERE ${LAST_SUCCESS}`));
    expect(found.batches.at(-1)!.verdict).toBe('altered');
    expect(said(found)).toMatch(/^1 gap: event \w+, success of step \(activity 3, attempt 1\), is missing/m);
  });

  it('names a deleted attempt that was tried again', async () => {
    const found = await verifyAfter((db) =>
      db.exec("DELETE FROM PipelineEvent WHERE LogID = 2 AND EventType = 'retry'"),
    );
    expect(said(found)).toMatch(/^2 gap: event \w+, retry of step \(activity 1, attempt 1\), is missing/m);
    expect(said(found)).toMatch(/^2 altered: its rows differ from seal/m);
  });

  it('names a reported failure that was turned into a lost attempt, though every hash, root and seal was made anew', async () => {
    const found = await verifyAfter((db) => {
      db.exec("UPDATE PipelineEvent SET EventType = 'lost' WHERE LogID = 2 AND EventType = 'retry'");
      hashAnew(db);
      sealAnew(db);
    });
    expect(said(found)).toMatch(
      /^2 altered: event \w+, lost of step \(activity 1, attempt 1\), should be EventType "retry" instead of "lost"/m,
    );
    expect(found.batches.map(({ verdict }) => verdict)).toEqual(['certified', 'altered', 'certified']);
  });

  it('finds an event that was inserted', async () => {
    const found = await verifyAfter((db) => {
      const [event] = db
        .prepare(`SELECT * FROM PipelineEvent WHERE ${LAST_SUCCESS}`)
        .all() as PipelineEvent[];
      insert(db, { ...event!, EventID: 'f'.repeat(32), ActivityID: '4' });
      hashAnew(db);
    });
    expect(said(found)).toMatch(/^1 altered: its rows differ from seal/m);
  });

  it('finds an event that was inserted with a run that nobody knows, whether or not its hash is right', async () => {
    const found = await verifyAfter((db) => {
      const [event] = db
        .prepare(`SELECT * FROM PipelineEvent WHERE ${LAST_SUCCESS}`)
        .all() as PipelineEvent[];
      insert(db, { ...event!, EventID: 'f'.repeat(32), RunID: 'nobody', RowsProcessed: 1_000_000 });
      hashAnew(db);
    });
    expect(found.batches.at(-1)!.verdict).toBe('altered');
    expect(said(found)).toMatch(/^1 altered: event f+, .* is of run nobody, which the batch does not have/m);
    expect(said(found)).toMatch(/^1 altered: its rows differ from seal/m);
  });

  it('finds a batch that was made up, in every form that needs no history', async () => {
    const made = (status: string, runStatus: string) => (db: Database.Database) =>
      db.exec(`INSERT INTO PipelineLog (PipelineName, StartTime, EndTime, Status, Namespace, WorkflowID, RunID, OriginalRunID)
          VALUES ('Fake', '2026-03-29T00:00:00.000Z', '2026-03-29T00:10:00.000Z', '${status}', 'default', 'x', 'r', 'r');
        INSERT INTO PipelineRun (RunID, LogID, Reason, StartTime, Status)
          SELECT 'r', MAX(LogID), 'start', '2026-03-29T00:00:00.000Z', '${runStatus}' FROM PipelineLog`);
    const halfway = await verifyAfter(made('Success', 'Running'));
    expect(halfway.batches.at(-1)!.verdict).toBe('altered');
    expect(said(halfway)).toMatch(/altered: the batch is Success, and its run r is Running/);
    const unsealed = await verifyAfter(made('Success', 'Success'));
    expect(unsealed.batches.at(-1)!.verdict).toBe('altered');
    expect(said(unsealed)).toMatch(/has no seal/);
    const runless = await verifyAfter((db) => {
      made('Success', 'Success')(db);
      db.exec("DELETE FROM PipelineRun WHERE RunID = 'r'");
    });
    expect(said(runless)).toMatch(/gap: the batch has no run/);
  });

  it('finds rows whose batch was deleted', async () => {
    const found = await verifyAfter((db) => {
      db.pragma('foreign_keys = OFF');
      db.exec('DELETE FROM PipelineLog WHERE LogID = 2; DELETE FROM Seal WHERE LogID = 2');
    });
    expect(said(found)).toMatch(
      /batch 2 was deleted, or never was: rows of it are left, 1 in PipelineRun, 4 in PipelineEvent/,
    );
  });

  it('finds events that changed places', async () => {
    let moved: PipelineEvent[] = [];
    const found = await verifyAfter((db) => {
      const times = db
        .prepare('SELECT EventID, EventTime FROM PipelineEvent WHERE LogID = 1 ORDER BY EventTime')
        .all() as PipelineEvent[];
      const [first, last] = [times[0]!, times.at(-1)!];
      moved = [first, last];
      const move = db.prepare('UPDATE PipelineEvent SET EventTime = ? WHERE EventID = ?');
      move.run(last.EventTime, first.EventID);
      move.run(first.EventTime, last.EventID);
    });
    expect(found.batches.at(-1)!.verdict).toBe('altered');
    for (const { EventID } of moved) {
      expect(said(found)).toMatch(new RegExp(`^1 altered: event ${EventID}, .* differs from its hash`, 'm'));
    }
  });

  it.each([
    [
      'Status',
      "Status = 'Success', ErrorMessage = NULL, Resolution = NULL",
      /Status "Error" instead of "Success"/,
    ],
    ['RowsProcessed', 'RowsProcessed = 1', /its rows differ from seal/],
    ['Resolution', "Resolution = 'dismissed'", /its rows differ from seal/],
    ['RunByUser', "RunByUser = 'somebody else'", /RunByUser/],
    ['InputDigest', "InputDigest = 'another'", /InputDigest/],
  ])('finds a batch whose %s was edited', async (_, change, expected) => {
    const found = await verifyAfter((db) => db.exec(`UPDATE PipelineLog SET ${change} WHERE LogID = 3`));
    expect(said(found)).toMatch(expected);
    expect(found.ok).toBe(false);
  });

  it('finds a deleted batch by its seal, and by Temporal', async () => {
    const found = await verifyAfter((db) => erase(db, 2));
    expect(said(found)).toMatch(/batch 2 was deleted, or never was: rows of it are left, 1 in Seal/);
    expect(found.missing).toHaveLength(1);
  });

  it('finds a seal that was taken out, or changed', async () => {
    const without = await verifyAfter((db) => db.exec('DELETE FROM Seal WHERE SealNo = 2'));
    expect(said(without)).toMatch(/seal 2 is missing/);
    const changed = await verifyAfter((db) =>
      db.exec(`UPDATE Seal SET Root = '${'0'.repeat(64)}' WHERE SealNo = 1`),
    );
    expect(said(changed)).toMatch(/seal 2 does not continue seal 1/);
  });

  it('finds a batch that was declared running again to escape its seal', async () => {
    const found = await verifyAfter((db) =>
      db.exec(`UPDATE PipelineRun SET CertifiedAt = NULL WHERE LogID = 3;
               UPDATE PipelineLog SET CustomMessage = 'was fine' WHERE LogID = 3`),
    );
    expect(said(found)).toMatch(/^3 altered: its rows differ from seal/m);
  });
});

describe('a digest that was kept elsewhere', () => {
  it('finds an end that was cut off with all that tells of it', async () => {
    const cut = (db: Database.Database): void => {
      erase(db, 3);
      db.exec('DELETE FROM Seal WHERE LogID = 3');
    };
    expect(said(await verifyAfter(cut, withDigest()))).toMatch(
      /the digest has \d+ seals, and there are \d+: the end was cut off/,
    );
  });

  it('finds somebody who changed a batch and made every hash, root and seal anew', async () => {
    const forge = (db: Database.Database): void => {
      // What an activity said of itself is not in Temporal's history.
      db.exec(
        "UPDATE PipelineEvent SET Message = 'all rows were checked' WHERE LogID = 2 AND EventType = 'retry'",
      );
      hashAnew(db);
      sealAnew(db);
    };
    const believed = await verifyAfter(forge);
    expect(said(believed)).toBe('');
    expect(said(await verifyAfter(forge, withDigest()))).toMatch(/another root/);
  });

  it('is not hidden by a later one of as many seals', async () => {
    let later = '';
    const forge = (db: Database.Database): void => {
      db.exec("UPDATE PipelineEvent SET Message = 'forged' WHERE LogID = 2 AND EventType = 'retry'");
      hashAnew(db);
      sealAnew(db);
      const root = db.prepare('SELECT Root FROM Seal ORDER BY SealNo DESC LIMIT 1').pluck().get() as string;
      later = digest.replace(/root=\w+/, `root=${root}`);
    };
    await verifyAfter(forge);
    const found = await verifyAfter(forge, { digests: parseDigests(`${digest}\n${later}`, 'digests') });
    expect(found.chain.findings).toHaveLength(1);
    expect(said(found)).toMatch(/the digest of 3 seals has another root/);
  });

  it('is explained by the help of the command that prints it', async () => {
    const help = (await queue.cli('digest', '--help')).stdout;
    const names = digest
      .trim()
      .split(' ')
      .slice(1)
      .map((part) => part.split('=')[0]!);
    expect(names).toEqual(['store', 'seals', 'root', 'at']);
    expect(help).toContain(digest.split(' ')[0]);
    for (const name of names) {
      expect(help).toContain(`${name}=<`);
      expect(help).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
  });

  it('of an audit that has grown since still holds', async () => {
    await queue.audited(async () => {
      await queue.run('oneStep');
      await queue.certified();
    });
    writeFileSync(join(queue.folder, 'digests'), `${digest}\n${(await queue.cli('digest')).stdout}`);
    const { code, stdout, stderr } = await queue.cli('verify', '--digest', 'digests');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^4 batches: 4 certified\. 4 seals$/m);
    expect(code).toBe(0);
  });

  it('of another audit, or none at all, is refused with a reason', async () => {
    const other = digest.replace(/store=\S+/, 'store=00000000-0000-4000-8000-000000000000');
    writeFileSync(join(queue.folder, 'other'), other);
    expect(await queue.cli('verify', '--digest', 'other')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/the digest is of the store 00000000/) as string,
    });
    for (const [name, text, reason] of [
      ['empty', '', /is empty/],
      ['wrong', 'hello', /Line 1 of wrong is no digest/],
      ['nowhere', undefined, /can't be read \(ENOENT\)/],
    ] as const) {
      if (text !== undefined) writeFileSync(join(queue.folder, name), text);
      const { code, stderr } = await queue.cli('verify', '--digest', name);
      expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
      expect(stderr).toMatch(reason);
    }
  });
});

function insert(db: Database.Database, row: object): void {
  const columns = Object.keys(row);
  db.prepare(
    `INSERT INTO PipelineEvent (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  ).run(Object.values(row));
}

function erase(db: Database.Database, logID: number): void {
  db.pragma('foreign_keys = OFF');
  for (const table of ['PipelineEvent', 'PipelineRun', 'Alert', 'PipelineLog']) {
    db.prepare(`DELETE FROM ${table} WHERE LogID = ?`).run(logID);
  }
}

/** What an attacker does who has read the source. */
function hashAnew(db: Database.Database): void {
  const logIDs = db.prepare('SELECT LogID FROM PipelineLog').pluck().all() as number[];
  const update = db.prepare('UPDATE PipelineEvent SET EventHash = ? WHERE EventID = ?');
  for (const logID of logIDs) {
    for (const event of batchReader(db)(logID)!.events) update.run(eventHash(event), event.EventID);
  }
}

function sealAnew(db: Database.Database): void {
  const seals = db.prepare('SELECT * FROM Seal ORDER BY SealNo').all() as Seal[];
  const update = db.prepare('UPDATE Seal SET Root = ?, PrevRoot = ? WHERE SealNo = ?');
  let PrevRoot: string | null = null;
  for (const { SealNo, LogID } of seals) {
    const content: string = sealable(batchReader(db)(LogID)!) ?? '';
    const Root: string = rootOf(content, { SealNo, PrevRoot });
    update.run(Root, PrevRoot, SealNo);
    PrevRoot = Root;
  }
}
