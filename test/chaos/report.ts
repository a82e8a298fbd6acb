/** What a chaos run found, for people. */
import type { ChaosResult } from './chaos.js';
import { describeFinding } from './checker/finding.js';

export function describeResult(store: string, result: ChaosResult): string {
  const { findings, forgiven, figures, faults, terminated, ownTools } = result;
  const { runs, runsByStatus, attempts, gaps, eventsByWitness } = figures;
  const lines: Array<[string, string]> = [
    ['faults', counts(Object.fromEntries([...faults].sort()))],
    ['runs', `${runs} (${counts(runsByStatus)})`],
    ['terminated by the driver', String(terminated)],
    ['attempts in the journals', String(attempts)],
    ['gaps found and healed', String(gaps)],
    ['events by witness', counts(eventsByWitness)],
    ['known exceptions, forgiven', String(forgiven.length)],
    ...ownTools.map((line): [string, string] => ['own tools', line]),
    ['findings', String(findings.length)],
  ];
  return [
    `\n${store}`,
    ...lines.map(([name, value]) => `  ${name.padEnd(34)}${value}`),
    ...forgiven.map((finding) => `  forgiven: ${describeFinding(finding)}`),
    ...findings.map((finding) => `  FINDING: ${describeFinding(finding)}`),
  ].join('\n');
}

function counts(of: Readonly<Record<string, number>>): string {
  return Object.entries(of)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
