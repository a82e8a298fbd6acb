/**
 * How to run a module of ours in a process or a thread of its own: the built file as it is, TypeScript from a checkout
 * compiled on the way.
 */
import { moduleFile } from './moduleFile.js';

export interface OwnScript {
  readonly file: string;
  readonly nodeArguments: string[];
}

export function ownScript(url: URL): OwnScript {
  return withArguments(moduleFile(url), typeScriptArguments);
}

/** For `new Worker`: none of what this process was started with, which a thread would take over. */
export function ownThread(url: URL): OwnScript {
  return withArguments(moduleFile(url), () => importing('typescriptThread.mjs'));
}

/** What lets Node run TypeScript of a checkout, whatever the working folder. */
export function typeScriptArguments(): string[] {
  return importing('typescript.mjs');
}

function withArguments(file: string, forTypeScript: () => string[]): OwnScript {
  return { file, nodeArguments: file.endsWith('.ts') ? forTypeScript() : [] };
}

function importing(script: string): string[] {
  return ['--import', new URL(`../scripts/${script}`, import.meta.url).href];
}
