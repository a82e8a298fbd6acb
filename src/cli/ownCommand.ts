import { basename, isAbsolute, relative, sep } from 'node:path';
import type { Command } from 'commander';

/** How to call this program again from the same folder, with the same configuration. */
export function ownCommand(program: Command): string {
  const { config } = program.opts<{ config?: string }>();
  const command = callOf(process.argv[1] ?? '');
  return config === undefined ? command : `${command} --config ${quoted(config)}`;
}

/** The command for the script that Node was given. */
export function callOf(script: string): string {
  const [project = '', ...inside] = script.split(`${sep}node_modules${sep}`);
  const isInCacheOfNpx = project.split(sep).includes('_npx');
  if (inside.length > 0 && (isInCacheOfNpx || isInside(process.cwd(), project))) return 'npx batchtrail';
  if (inside.length === 0 && basename(script) === 'batchtrail') return 'batchtrail';
  return `node ${quoted(relative('', script))}`;
}

function isInside(folder: string, parent: string): boolean {
  const path = relative(parent, folder);
  return path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

/** A word for a command line; bash, cmd and PowerShell agree on these quotes. */
export function quoted(word: string): string {
  return /^[\w./\\:@=+-]+$/.test(word) ? word : `"${word}"`;
}
