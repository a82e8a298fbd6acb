import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import type { BatchRef } from '../../src/domain/model.js';
import { engineFor, openOutbox } from '../../src/engines/index.js';
import { event, runStart } from '../support/rows.js';
import { runCli } from './runCli.js';

let folder: string;
let ref: BatchRef;
const batchtrail = (...args: string[]) => runCli(args, { cwd: folder });

/** As a worker left it that was killed during an outage. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-outbox-cli-'));
  const url = `sqlite:${join(folder, '.batchtrail')}`;
  const store = await (await engineFor(url, 'test')).openAuditStore({ url });
  await store.migrate();
  ref = (await inLedger(store, (ledger) => openRuns(ledger, [runStart()])))[0]!;
  const outbox = await openOutbox(join(folder, '.batchtrail/outbox.db'));
  const storeID = await store.storeID();
  const items = [
    { kind: 'record', item: [event(ref, { EventType: 'start', StepName: 'load' })] },
    {
      kind: 'record',
      item: [event(ref, { EventType: 'success', StepName: 'load' })],
      problem: 'no more room',
    },
    { kind: 'record', item: [event(ref, { EventType: 'info', ActivityID: null, StepName: 'said' })] },
  ];
  await outbox.add(storeID, items);
  await outbox.close();
  await store.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

it('lists what waits, of which batch it is, and why it was refused', async () => {
  const { code, stdout } = await batchtrail('outbox', '--limit', '2');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^StoreID +Waiting +Refused +Oldest\n\S+ +2 +1 +20/);
  expect(stdout).toMatch(new RegExp(`1 +${ref.RunID} +start of load *\n`));
  expect(stdout).toMatch(/success of load +no more room\n/);
  expect(stdout).toContain('and 1 more: batchtrail outbox --limit 3\n');
  const { stores, entries } = JSON.parse((await batchtrail('outbox', '--json')).stdout) as {
    stores: unknown[];
    entries: unknown[];
  };
  expect(stores).toMatchObject([{ waiting: 2, refused: 1, problem: 'no more room' }]);
  expect(entries).toHaveLength(3);
});

it('ships it, what was refused included, and says when nothing is left', async () => {
  const { code, stderr, stdout } = await batchtrail('outbox', '--ship');
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'Shipped 3\n' });
  expect(stdout).toMatch(/^Nothing waits in /);
  const record = JSON.parse((await batchtrail('show', '1', '--json')).stdout) as { events: unknown[] };
  expect(record.events).toHaveLength(3);
});

it('makes no outbox where there is none', async () => {
  const env = { BATCHTRAIL_AUDIT_URL: 'sqlite:./elsewhere' };
  const { code, stdout } = await runCli(['outbox'], { cwd: folder, env });
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/nothing waits\n$/) as string,
  });
});
