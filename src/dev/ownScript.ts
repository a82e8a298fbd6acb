/** How to run a script of this folder with `node`: the built file as it is, TypeScript from a checkout through jiti. */
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface OwnScript {
  readonly file: string;
  readonly nodeArguments: string[];
}

export function ownScript(name: string): OwnScript {
  const extension = extname(import.meta.url);
  return {
    file: fileURLToPath(new URL(`./${name}${extension}`, import.meta.url)),
    nodeArguments: extension === '.ts' ? typeScriptArguments() : [],
  };
}

/** What `--import jiti/register` means, whatever the working folder. Vitest has no `import.meta.resolve` to ask. */
export function typeScriptArguments(): string[] {
  const jiti = pathToFileURL(createRequire(import.meta.url).resolve('jiti/package.json'));
  return ['--import', new URL('./lib/jiti-register.mjs', jiti).href];
}
