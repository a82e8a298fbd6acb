import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replayChain } from '../../src/audit/replayChain.js';
import type { RunStart } from '../../src/domain/model.js';
import type { AuditReader, AuditStore } from '../../src/engines/contract.js';
import { engine } from '../../src/engines/sqlite/index.js';
import { open, runHistory, settle } from '../contract/rows.js';
import { runStart } from '../support/rows.js';

const folder = mkdtempSync(join(tmpdir(), 'batchtrail-chain-'));
const audit = { url: `sqlite:${folder}` };
let store: AuditStore;
let reader: AuditReader;

beforeAll(async () => {
  store = await engine.openAuditStore(audit);
  await store.migrate();
  reader = await engine.openAuditReader(audit);
});
afterAll(async () => {
  await reader?.close();
  await store?.close();
  rmSync(folder, { recursive: true });
});

/** A batch that has ended so; with what it replays. */
async function ended(status: 'Error' | 'Success', replayed?: RunStart): Promise<[RunStart, number]> {
  const start = runStart({ replayedRunID: replayed?.RunID ?? null });
  const { LogID } = await open(store, start);
  await settle(store, [runHistory(start, { status })]);
  return [start, LogID];
}

const chainOf = async (logID: number): Promise<number[]> =>
  (await replayChain(reader, logID)).map(({ LogID }) => LogID);

it('is the same from wherever it is asked, also while none of it has succeeded', async () => {
  const [first, one] = await ended('Error');
  const [second, two] = await ended('Error', first);
  const [, other] = await ended('Error');
  const [third, three] = await ended('Error', second);
  for (const logID of [one, two, three]) expect(await chainOf(logID)).toEqual([one, two, three]);
  expect(await chainOf(other)).toEqual([other]);
  expect(await chainOf(1_000_000)).toEqual([]);

  const [, last] = await ended('Success', third);
  for (const logID of [one, two, three, last]) {
    expect(await chainOf(logID)).toEqual([one, two, three, last]);
  }
});
