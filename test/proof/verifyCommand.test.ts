/** What `batchtrail verify` prints, of an audit that is larger than its list. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Verified } from '../../src/audit/verdict.js';
import type { Ended } from '../cli/runCli.js';
import { runCli } from '../cli/runCli.js';
import { openAll, runHistory, runStart, settle } from '../contract/rows.js';
import { temporalAddress } from '../support/temporal.js';
import { Audited } from './audited.js';

/** The list has 100 batches. */
const BATCHES = 110;
const RECENT = '2026-10-01T00:00:00.000Z';
let audited: Audited;

beforeAll(async () => {
  audited = await Audited.open();
  writeFileSync(
    join(audited.folder, 'batchtrail.yaml'),
    `audit: { url: "sqlite:." }\nworker: { taskQueue: nobody }`,
  );
  // Activities without a workflow need nothing of Temporal.
  const starts = Array.from({ length: BATCHES }, (_, index) =>
    runStart({ WorkflowType: null, ...(index === BATCHES - 1 ? { StartTime: RECENT } : {}) }),
  );
  await openAll(audited.store, starts);
  await settle(
    audited.store,
    starts.map((start) => ({ ...runHistory(start), lastEventID: null, historyHash: null })),
  );
});
afterAll(() => audited.close());

function verify(...args: string[]): Promise<Ended> {
  return runCli(['verify', ...args], { cwd: audited.folder, env: { TEMPORAL_ADDRESS: temporalAddress() } });
}

it('--since and --batch print the verdicts of those batches, also where they hold', async () => {
  const since = await verify('--since', '2026-09-01');
  expect([since.code, since.stdout]).toEqual([
    0,
    `Batch ${BATCHES}: no history, Pipeline (${await workflowOf(BATCHES)})\n1 batches: 1 no history. ${BATCHES} seals\n`,
  ]);
  const batch = await verify('--batch', '7');
  expect(batch.stdout).toBe(
    `Batch 7: no history, Pipeline (${await workflowOf(7)})\n1 batches: 1 no history. ${BATCHES} seals\n`,
  );
  expect(await verify('--batch', '999')).toMatchObject({ code: 1, stdout: '' });
});

async function workflowOf(logID: number): Promise<string | null> {
  return (await audited.reader.batch(logID))!.batch.WorkflowID;
}

it('all prints the first that hold, counts the others, and prints what does not hold wherever it is', async () => {
  const db = new Database(audited.file);
  db.exec('UPDATE PipelineLog SET RowsProcessed = 1 WHERE LogID = 2');
  db.close();
  const text = await verify();
  const lines = text.stdout.trimEnd().split('\n');
  expect(lines.filter((line) => /: no history, /.test(line))).toHaveLength(100);
  expect(lines.slice(100)).toEqual([
    expect.stringMatching(/^Batch 2: altered, Pipeline /),
    expect.stringMatching(/^ {4}altered: its rows differ from seal 2 of /),
    '… and 9 more that hold; --json lists all',
    `${BATCHES} batches: 109 no history, 1 altered. ${BATCHES} seals`,
  ]);
  expect(text).toMatchObject({ code: 1, stderr: 'batchtrail: The audit does not hold: 1 problem found\n' });

  const json = await verify('--json');
  const found = JSON.parse(json.stdout) as { batches: Verified[] };
  expect(json.code).toBe(1);
  expect(found).toMatchObject({
    ok: false,
    missing: [],
    chain: { seals: BATCHES, findings: [] },
    verdicts: { 'no history': 109, altered: 1 },
  });
  expect(found.batches.map(({ LogID }) => LogID).sort((a, b) => a - b)).toEqual(
    Array.from({ length: BATCHES }, (_, index) => index + 1),
  );
  expect(found.batches.find(({ LogID }) => LogID === 2)).toMatchObject({
    verdict: 'altered',
    PipelineName: 'Pipeline',
  });
});
