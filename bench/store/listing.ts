/**
 * `npm run bench:listing`: how long it takes to list and show batches in an audit of years.
 * Options: --batches (1000000; each has ten events), --times (200).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { AuditReader } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';
import { startPostgres } from '../../test/endpoints/postgres.js';
import { EVENTS_PER_BATCH, FILLS, FIRST_DAY } from './fill.js';
import { quantile } from './load.js';

const { values } = parseArgs({
  options: { batches: { type: 'string', default: '1000000' }, times: { type: 'string', default: '200' } },
});
const batches = Number(values.batches);
const times = Number(values.times);
const PAGE = 20;

const any = (): number => 1 + Math.floor(Math.random() * batches);
const at = (batch: number): string => new Date(Date.parse(FIRST_DAY) + batch * 60_000).toISOString();

const QUESTIONS: Record<string, (reader: AuditReader) => Promise<unknown>> = {
  'the latest batches': (reader) => reader.batches({ limit: PAGE }),
  'of a pipeline': (reader) => reader.batches({ pipeline: `pipeline ${any() % 100}`, limit: PAGE }),
  'with a status': (reader) => reader.batches({ status: 'Error', limit: PAGE }),
  'still open': (reader) => reader.batches({ open: true, limit: PAGE }),
  'of a day': (reader) => {
    const first = any();
    return reader.batches({ since: at(first), until: at(first + 1440), limit: PAGE });
  },
  'failed ones of a pipeline in a month': (reader) => {
    const first = any();
    const pipeline = `pipeline ${(any() * 50) % 100}`;
    return reader.batches({
      pipeline,
      status: 'Error',
      since: at(first),
      until: at(first + 43_200),
      limit: PAGE,
    });
  },
  'with a text, within a day': (reader) => {
    const first = any();
    const text = `IN LOAD ${Math.ceil(first / 50) * 50}`;
    return reader.batches({ text, since: at(first), until: at(first + 1440), limit: PAGE });
  },
  'a page far down': (reader) => {
    const LogID = any();
    return reader.batches({ after: { StartTime: at(LogID), LogID }, limit: PAGE });
  },
  'one batch with its events': (reader) => reader.batch(any()),
};

const folder = mkdtempSync(join(tmpdir(), 'batchtrail-bench-'));
try {
  await measureEngine('sqlite', `sqlite:${folder}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const postgres = await startPostgres();
try {
  await measureEngine('postgres', postgres.url);
} finally {
  await postgres.stop();
}

async function measureEngine(name: string, url: string): Promise<void> {
  const engine = await engineFor(url, 'bench');
  const store = await engine.openAuditStore({ url });
  await store.migrate();
  await store.close();
  console.error(`${name}: filling ${batches} batches with ${EVENTS_PER_BATCH} events each …`);
  await FILLS[name]!(url, batches);
  const reader = await engine.openAuditReader({ url });
  console.log(
    `\n${name}, ${batches} batches, ${batches * EVENTS_PER_BATCH} events, ${times} times each: p50 and p95 in ms`,
  );
  for (const [question, ask] of Object.entries(QUESTIONS)) {
    const waits: number[] = [];
    for (let time = 0; time < times; time++) {
      const began = performance.now();
      await ask(reader);
      waits.push(performance.now() - began);
    }
    waits.sort((a, b) => a - b);
    console.log(
      `  ${question.padEnd(40)} ${quantile(waits, 0.5).toFixed(1).padStart(8)} ${quantile(waits, 0.95).toFixed(1).padStart(8)}`,
    );
  }
  await reader.close();
}
