import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The file of a module of ours, for those who load it by path; `.ts` when this package runs from its sources. */
export function moduleFile(url: URL): string {
  const built = fileURLToPath(url);
  return existsSync(built) ? built : built.replace(/\.js$/, '.ts');
}
