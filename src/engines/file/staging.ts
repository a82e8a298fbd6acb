/** A folder as a staging area: for one machine, or for workers that mount the same disk. */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { NotFound } from '../../domain/errors.js';
import type { PlaceOptions, StagedObject, Staging } from '../transferContract.js';
import { folderOf, labelOf } from './folder.js';

/** What is being written, or was when its worker died. */
const PART = '.part';

export async function openStaging({ url, signal }: PlaceOptions): Promise<Staging> {
  const folder = folderOf(url);
  await mkdir(folder, { recursive: true });
  return new FolderStaging(folder, signal);
}

class FolderStaging implements Staging {
  readonly label: string;
  readonly location: string;
  readonly isRemote = false;

  constructor(
    readonly folder: string,
    readonly signal: AbortSignal,
  ) {
    this.label = labelOf(folder);
    this.location = `${pathToFileURL(folder).href.replace(/\/$/, '')}/`;
  }

  async put(name: string, body: Readable): Promise<number> {
    const file = this.#file(name);
    const part = `${file}.${randomUUID()}${PART}`;
    await mkdir(dirname(file), { recursive: true });
    try {
      await pipeline(body, createWriteStream(part, { flush: true }), { signal: this.signal });
      await rename(part, file);
      await syncFolder(dirname(file));
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    return (await stat(file)).size;
  }

  async open(name: string): Promise<Readable> {
    const handle = await open(this.#file(name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new NotFound(
        `${this.label} has no object ${name} any more. Start a new run, which extracts again`,
      );
    });
    return createReadStream('', { fd: handle, signal: this.signal });
  }

  async list(prefix: string): Promise<StagedObject[]> {
    const found: StagedObject[] = [];
    const names = await readdir(this.#file(prefix), { recursive: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    for (const name of names) {
      const file = join(this.#file(prefix), name);
      // Another worker may clean up at the same time.
      const facts = await stat(file).catch(() => undefined);
      if (!facts?.isFile()) continue;
      const object = relative(this.folder, file).split(sep).join('/');
      found.push({ name: object, bytes: facts.size, changedAt: facts.mtime });
    }
    return found;
  }

  async remove(names: readonly string[]): Promise<void> {
    const folders = new Set<string>();
    for (const name of names) {
      await rm(this.#file(name), { force: true });
      // An object's name has at most four parts, and the folders of all but the last are the staging area's own.
      for (let at = dirname(this.#file(name)); at !== this.folder; at = dirname(at)) folders.add(at);
    }
    for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
      // Only those that are empty now.
      await rmdir(folder).catch(() => undefined);
    }
  }

  async close(): Promise<void> {}

  #file(name: string): string {
    return join(this.folder, ...name.split('/'));
  }
}

/** A name that was just given survives a power cut only then. Windows can't do it, and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
