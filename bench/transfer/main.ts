/**
 * `npm run bench:transfer`: how long a table takes from PostgreSQL to S3, to SQLite and to PostgreSQL, beside what the
 * databases' own tools take for the same, and beside other programs for it (sling, dlt) where they are on PATH. All take
 * turns, round by round, and each ratio is formed within its round. Ours is by a worker that has moved a few rows before.
 * Then how much memory it needs above what it has when idle, also for ten times the rows.
 * Options: --rows (2000000), --rounds (3), --only s3,sqlite,postgres, --large (ten times the rows, once, for memory).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import pg from 'pg';
import { startDevServer } from '../../src/dev/devServer.js';
import { startPostgres } from '../../test/endpoints/postgres.js';
import { startS3 } from '../../test/endpoints/s3.js';
import { spread } from '../spread.js';
import type { Destination, Places } from './destinations.js';
import { DESTINATIONS } from './destinations.js';
import { LIMITS } from './limits.js';
import { Bench, FEW } from './ours.js';
import { findPeers } from './peers.js';
import { fill } from './table.js';

const MEGABYTE = 1024 * 1024;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: DESTINATIONS.join(',') },
    large: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const destinations = DESTINATIONS.filter((one) => values.only.split(',').includes(one));
const report = (line: string): void => console.error(line);

Runtime.install({ logger: new DefaultLogger('ERROR') });
const folder = mkdtempSync(join(tmpdir(), 'batchtrail-bench-'));
const temporal = await startDevServer({ report });
const postgres = await startPostgres();
const s3 = await startS3(report);
const db = new pg.Client(postgres.url);
await db.connect();
try {
  const places: Places = { folder, postgresUrl: postgres.url, s3 };
  const bench = await Bench.open(places, temporal.address, db);
  const peers = findPeers();
  report(`peers: ${peers.map(({ name }) => name).join(', ') || 'none is on PATH'}`);
  await fill(db, FEW, 1_000);
  report(`filling ${rows} rows: ${Math.round((await fill(db, 'bench.rows', rows)) / MEGABYTE)} MB as CSV`);

  for (const destination of destinations) {
    const seconds = new Map<string, number[]>();
    const note = (name: string, figure: number): void => {
      seconds.set(name, [...(seconds.get(name) ?? []), figure]);
      report(`${destination}, ${name}: ${figure.toFixed(1)} s`);
    };
    const memory: number[] = [];
    for (let round = 0; round < rounds; round++) {
      note(LIMITS[destination].name, await LIMITS[destination].run(places, db));
      const ours = await bench.transfer(destination, 'bench.rows', rows);
      note('batchtrail', ours.seconds);
      memory.push(ours.bytesAboveIdle / MEGABYTE);
      if (destination !== 's3') continue;
      for (const peer of peers) note(peer.name, await peer.run(places));
    }
    print(destination, seconds, memory);
  }

  if (values.large) {
    report(`filling ${rows * 10} rows`);
    await fill(db, 'bench.large', rows * 10);
    for (const destination of destinations) {
      const { seconds, bytesAboveIdle } = await bench.transfer(destination, 'bench.large', rows * 10);
      console.log(
        `${destination}, ${rows * 10} rows: ${seconds.toFixed(1)} s, ${(bytesAboveIdle / MEGABYTE).toFixed(0)} MB above idle`,
      );
    }
  }
  await bench.close();
} finally {
  await db.end();
  await Promise.all([s3.stop(), postgres.stop(), temporal.stop()]);
  rmSync(folder, { recursive: true, force: true });
}

function print(
  destination: Destination,
  seconds: ReadonlyMap<string, readonly number[]>,
  memory: readonly number[],
): void {
  const limit = seconds.get(LIMITS[destination].name)!;
  console.log(`\nPostgreSQL -> ${destination}, ${rows} rows, ${rounds} rounds; median (lowest to highest)`);
  for (const [name, figures] of seconds) {
    const ratios = figures.map((figure, round) => figure / limit[round]!);
    console.log(
      `  ${name.padEnd(36)} ${spread(figures, 1).padEnd(22)} s   ${spread(ratios, 2)} of the limit's`,
    );
  }
  console.log(`  ${'memory of the worker above idle'.padEnd(36)} ${spread(memory, 0)} MB`);
}
