/** The shell commands that a page of the documentation shows, as a shell takes them apart. */
import { readFileSync } from 'node:fs';

export function docCommands(page: string): string[][] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => commandsOf(block!));
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
