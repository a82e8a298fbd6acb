import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The processor time that a process has used so far, where the system says so (Linux). */
export function processorMs(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  // The second field is the program's name in parentheses, and may hold blanks.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  return ((userTicks + systemTicks) * 1000) / ticksPerSecond();
}

let ticks: number | undefined;
function ticksPerSecond(): number {
  return (ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })));
}
