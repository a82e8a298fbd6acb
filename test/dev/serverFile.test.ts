import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startDevServer } from '../../src/dev/devServer.js';
import { takeServerFile } from '../../src/dev/serverFile.js';
import { temporalCli } from '../support/temporal.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-server-file-'));
  vi.stubEnv('BATCHTRAIL_TEMPORAL_CLI', temporalCli());
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const serve = (dbFile: string) => startDevServer({ report: () => {}, dbFile });

it('is for one process at a time, and stays', async () => {
  const { file, release } = await takeServerFile(folder);
  await expect(takeServerFile(folder)).rejects.toThrow(
    `Another batchtrail dev or demo is at work in ${folder}, with the Temporal server that keeps its data there. Use that one, or stop it`,
  );
  await (await serve(file)).stop();
  release();
  const again = await takeServerFile(folder);
  expect(existsSync(again.file)).toBe(true);
  again.release();
});

it('is made anew when a server was killed before it had made all of it', async () => {
  const { file, release } = await takeServerFile(folder);
  const half = new Database(file);
  half.exec('CREATE TABLE namespaces (id BLOB)');
  half.close();
  // So is what was left: the server takes any file for one that has its tables.
  await expect(serve(file)).rejects.toThrow('With its file');
  release();
  const again = await takeServerFile(folder);
  await (await serve(again.file)).stop();
  again.release();
});

it('that is no database is named, with what to do, and is left alone', async () => {
  const { file, release } = await takeServerFile(folder);
  release();
  writeFileSync(file, 'this is not a database, and longer than the head of one');
  const said = `${file} is no SQLite database. Move it away, or name another folder in the sqlite: URL`;
  await expect(takeServerFile(folder)).rejects.toThrow(said);
  // Nor does the lock stay.
  await expect(takeServerFile(folder)).rejects.toThrow(said);
});
