/** How to run a script of this folder with `node`: the built file as it is, TypeScript from a checkout compiled on the way. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

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

/** What lets Node run TypeScript of a checkout, whatever the working folder. */
export function typeScriptArguments(): string[] {
  return ['--import', new URL('../../scripts/typescript.mjs', import.meta.url).href];
}
