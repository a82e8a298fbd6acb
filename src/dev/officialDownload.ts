/** The Temporal CLI as its makers build it, downloaded the way `@temporalio/testing` does. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startKept } from './keptProcess.js';
import { ownScript } from '../ownScript.js';
import { reportWhile, type Report } from './report.js';
import { withoutTemporalVariables } from './temporalEnv.js';

const STALLED_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 500;

/** Downloads into an empty folder; returns the file. */
export async function officialDownload(folder: string, report: Report): Promise<string> {
  const line = 'downloading the official build…';
  report(`${line} (mostly within a minute; given up when nothing arrives for ${STALLED_AFTER_MS / 1000} s)`);
  const script = ownScript(new URL('./downloadScript.js', import.meta.url));
  const child = await startKept(process.execPath, [...script.nodeArguments, script.file, folder], {
    env: withoutTemporalVariables(),
  });

  let bytes = 0;
  let lastGrowth = Date.now();
  let stalled = false;
  const watch = setInterval(() => {
    const size = sizeOf(folder);
    if (size !== bytes) lastGrowth = Date.now();
    bytes = size;
    if (Date.now() - lastGrowth < STALLED_AFTER_MS) return;
    clearInterval(watch);
    stalled = true;
    void child.stop();
  }, LOOK_EVERY_MS);
  const progress = (elapsed: string) => `${line} ${Math.round(bytes / 1e6)} MB, ${elapsed}`;
  const ended = await reportWhile(child.ended, report, progress);
  clearInterval(watch);

  // The file counts, not the script's success: the server that the SDK starts afterwards is not needed.
  const file = readdirSync(folder).find((name) => !name.endsWith('.downloading'));
  if (file) return join(folder, file);
  const reason = stalled ? `nothing arrived for ${STALLED_AFTER_MS / 1000} s` : child.lastErrors() || ended;
  throw new Error(`the official build can't be downloaded: ${reason}`);
}

function sizeOf(folder: string): number {
  const sizes = readdirSync(folder).map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
