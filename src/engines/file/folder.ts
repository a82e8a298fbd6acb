import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BadConfig } from '../../domain/errors.js';

/** The folder that a `file:` URL names: `file:./staging`, or `file:///srv/staging`. */
export function folderOf(url: string): string {
  const path = url.replace(/^file:/i, '');
  if (path.startsWith('///')) return fileURLToPath(url);
  if (path === '' || path.startsWith('//')) {
    throw new BadConfig(
      `${JSON.stringify(url)} names no folder of this machine. Write file: and a folder, as in file:./staging`,
    );
  }
  return resolve(path);
}

export function labelOf(folder: string): string {
  return `file:${basename(folder)}`;
}
