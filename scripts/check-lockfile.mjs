// npm locks optional packages for the platforms that it finds, and names the registry that it asks. So a lock file can be
// right here and wrong for others: without the native part of a package, or with hosts that only its maker reaches.
import { readFileSync } from 'node:fs';

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const locked = new Set(Object.keys(packages).map((place) => place.split('node_modules/').at(-1)));
const faults = Object.entries(packages).flatMap(([place, { resolved, optionalDependencies = {} }]) => [
  ...(resolved ? [`${place} names the host it came from`] : []),
  ...Object.entries(optionalDependencies)
    .filter(([name]) => !locked.has(name))
    .map(([name, range]) => `${place} wants ${name}@${range} on some platforms, which is not locked`),
]);
if (faults.length > 0) {
  console.error(`package-lock.json:\n  ${faults.join('\n  ')}`);
  process.exitCode = 1;
}
