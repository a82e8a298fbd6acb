/** What a page of the documentation shows in blocks of its own, and its shell commands, as a shell takes them apart. */
import { readFileSync } from 'node:fs';

export function docBlocks(page: string, language: 'sh' | 'text'): string[] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n');
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return blocks.flatMap(([, kind, block]) => (kind === language ? block! : []));
}

export function docCommands(page: string): string[][] {
  return docBlocks(page, 'sh').flatMap(commandsOf);
}

/** Words in single quotes and without; a line goes on behind a backslash, and inside quotes. */
function commandsOf(block: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token, quoted, plain] of block.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|([^\s']+)|\n/g)) {
    if (token === '\n') commands.push([]);
    else commands.at(-1)!.push(quoted ?? plain!);
  }
  return commands.filter((words) => words.length > 0);
}
