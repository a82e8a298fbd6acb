import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { inLedger } from '../../src/audit/ledger/ledger.js';
import { openRuns } from '../../src/audit/ledger/openRuns.js';
import type { BatchRef } from '../../src/domain/model.js';
import { typeScriptArguments } from '../../src/dev/ownScript.js';
import { Dice } from '../support/dice.js';
import { runStart } from '../support/rows.js';
import { Place } from './place.js';
import type { RecordingSettings } from './recordingProcess.js';

const SCRIPT = fileURLToPath(new URL('./recordingProcess.ts', import.meta.url));
const LONGEST_LIFE_MS = 300;
const SEED = 5;

/** Runs until it kills itself, or is killed so long after its first word. Answers what it had acknowledged. */
async function runAndKill(settings: RecordingSettings, lifeMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [...typeScriptArguments(), SCRIPT, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => acknowledged.push(line));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  if (settings.commit === undefined) {
    await Promise.race([once(output, 'line'), closed]);
    await delay(lifeMs);
    child.kill('SIGKILL');
  }
  const [, signal] = await closed;
  expect(signal).toBe('SIGKILL');
  // A line that was cut off by the kill was not said.
  return acknowledged.filter((line) => line.length === acknowledged[0]!.length);
}

it('kill -9 of processes that record or ship loses nothing that was acknowledged, and doubles nothing', async () => {
  const place = new Place();
  const { url, outboxFile } = place;
  const store = await place.openStore();
  const begin = async (): Promise<BatchRef> =>
    (await inLedger(store, (ledger) => openRuns(ledger, [runStart()])))[0]!;
  const acknowledged: string[] = [];
  const refs: BatchRef[] = [];
  const dice = new Dice(SEED);
  const round = async (at: Pick<RecordingSettings, 'commit' | 'isDone'> = {}): Promise<void> => {
    const ref = await begin();
    refs.push(ref);
    acknowledged.push(
      ...(await runAndKill({ url, outboxFile, ref, ...at }, dice.between(0, LONGEST_LIFE_MS))),
    );
  };
  for (let count = 0; count < 5; count++) await round();
  expect(acknowledged.length).toBeGreaterThan(10);
  expect(place.events()).toEqual([]);
  expect((await place.outbox())[0]!.waiting).toBeGreaterThanOrEqual(acknowledged.length);

  // The first two commits try the store out.
  for (const [commit, isDone] of [
    [3, false],
    [3, true],
    [4, false],
    [5, true],
    [6, false],
  ] as const) {
    passTurn(outboxFile);
    await round({ commit, isDone });
  }
  passTurn(outboxFile);

  const recorder = await place.recorder();
  await expect.poll(() => recorder.store).toBeDefined();
  const events = place.events();
  const ids = events.map(({ EventID }) => EventID);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids)).toEqual(new Set([...ids, ...acknowledged]));
  const names = new Set(events.map(({ RunID, ActivityID }) => `${RunID} ${ActivityID}`));
  expect(names.size).toBe(events.length);
  // Of each caller, in order, and without a gap: it waited for one before it recorded the next.
  for (const { RunID } of refs) {
    for (let caller = 0; caller < 5; caller++) {
      const own = place.steps(RunID).filter((step) => step!.startsWith(`${caller}-`));
      expect(own).toEqual(own.map((_, number) => `${caller}-${number}`));
    }
  }
  expect(await place.outbox()).toEqual([]);
  await store.close();
}, 120_000);

/** A process that is killed while it ships keeps its turn for half a minute, which the test does not wait for. */
function passTurn(outboxFile: string): void {
  const db = new Database(outboxFile);
  db.exec('UPDATE Shipper SET HeldUntil = 0');
  db.close();
}
