import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { DefaultLogger } from '@temporalio/worker';
import { engineFor } from '../../src/engines/index.js';
import { openRecorder } from '../../test/support/recorder.js';
import { quantile } from '../store/load.js';
import { fill } from './fill.js';
import { writeBatches } from './writers.js';

export interface Waits {
  readonly p50: number;
  readonly p95: number;
  readonly longest: number;
  readonly count: number;
}

export interface Measured {
  readonly purged: number;
  readonly seconds: number;
  /** How long writers waited for one call, in milliseconds, while nothing was purged, before and after, and meanwhile. */
  readonly quiet: Waits;
  readonly meanwhile: Waits;
}

/** Purges so many old batches while others are written. */
export async function measurePurge(url: string, batches: number, quietSeconds: number): Promise<Measured> {
  const engine = await engineFor(url, 'bench');
  const store = await engine.openAuditStore({ url });
  await store.migrate();
  await fill(store, batches);
  const opened = await openRecorder(store, new DefaultLogger('WARN'));
  const { recorder } = opened;
  const writeQuietly = (): Promise<number[]> =>
    writeBatches(recorder, AbortSignal.timeout(quietSeconds * 1_000));
  // The first ones pay for what is prepared and planned.
  await writeQuietly();
  const before = await writeQuietly();
  const ending = new AbortController();
  const [{ purged, seconds, altered }, meanwhile] = await Promise.all([
    purgeElsewhere(url).finally(() => ending.abort()),
    writeBatches(recorder, ending.signal),
  ]);
  const after = await writeQuietly();
  await opened.close();
  if (altered > 0) throw new Error(`${altered} batches differ from their seals`);
  const quiet = [...before, ...after].sort((a, b) => a - b);
  return { purged, seconds, quiet: figures(quiet), meanwhile: figures(meanwhile) };
}

async function purgeElsewhere(url: string): Promise<{ purged: number; seconds: number; altered: number }> {
  const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', script('../../scripts/typescript.mjs'), script('./purger.ts'), url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number]>]);
  if (code !== 0) throw new Error(`The purge ended with ${code}`);
  return JSON.parse(output) as { purged: number; seconds: number; altered: number };
}

function figures(waits: readonly number[]): Waits {
  return {
    p50: quantile(waits, 0.5),
    p95: quantile(waits, 0.95),
    longest: waits.at(-1)!,
    count: waits.length,
  };
}
