import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { DefaultLogger } from '@temporalio/worker';
import { engineFor } from '../../src/engines/index.js';
import { openRecorder } from '../../test/support/recorder.js';
import { quantile } from '../store/load.js';
import { fill, startOf } from './fill.js';
import { writeBatches } from './writers.js';

export interface Waits {
  readonly p50: number;
  readonly p95: number;
  readonly longest: number;
  readonly count: number;
}

/** How long writers waited for one call, in milliseconds, while a slice was purged, and right before and after it. */
export interface Slice {
  readonly purged: number;
  readonly seconds: number;
  readonly quiet: Waits;
  readonly meanwhile: Waits;
}

/** Purges so many old batches while others are written, in slices: a machine that is shared is another one after an hour. */
export async function* measurePurge(
  url: string,
  { batches, slices, quietSeconds }: { batches: number; slices: number; quietSeconds: number },
): AsyncGenerator<Slice> {
  const engine = await engineFor(url, 'bench');
  const store = await engine.openAuditStore({ url });
  await store.migrate();
  await fill(store, batches);
  const opened = await openRecorder(store, new DefaultLogger('WARN'));
  const { recorder } = opened;
  const writeQuietly = (): Promise<number[]> =>
    writeBatches(recorder, AbortSignal.timeout(quietSeconds * 1_000));
  try {
    // The first ones pay for what is prepared and planned.
    await writeQuietly();
    let before = await writeQuietly();
    for (let slice = 1; slice <= slices; slice++) {
      const ending = new AbortController();
      const [{ purged, seconds, altered }, meanwhile] = await Promise.all([
        purgeElsewhere(url, startOf(Math.round((batches * slice) / slices))).finally(() => ending.abort()),
        writeBatches(recorder, ending.signal),
      ]);
      if (altered > 0) throw new Error(`${altered} batches differ from their seals`);
      const after = await writeQuietly();
      yield { purged, seconds, quiet: figures([...before, ...after]), meanwhile: figures(meanwhile) };
      before = after;
    }
  } finally {
    await opened.close();
  }
}

async function purgeElsewhere(
  url: string,
  before: string,
): Promise<{ purged: number; seconds: number; altered: number }> {
  const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', script('../../scripts/typescript.mjs'), script('./purger.ts'), url, before],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number]>]);
  if (code !== 0) throw new Error(`The purge ended with ${code}`);
  return JSON.parse(output) as { purged: number; seconds: number; altered: number };
}

function figures(waits: readonly number[]): Waits {
  const sorted = [...waits].sort((a, b) => a - b);
  return {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    longest: sorted.at(-1)!,
    count: sorted.length,
  };
}
