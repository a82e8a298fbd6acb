/** What a page of the documentation shows to be run. */
import { readFileSync } from 'node:fs';

/** The shell commands, as a shell takes them apart. */
export function docCommands(page: string): string[][] {
  return docBlocks(page, 'sh').flatMap(commandsOf);
}

/** Its blocks of code in this language. */
export function docBlocks(page: string, language: string): string[] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n');
  const blocks = text.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return [...blocks].filter(([, found]) => found === language).map(([, , block]) => block!);
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
