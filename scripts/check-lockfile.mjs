// npm locks optional packages for the platforms that it finds, and names the registry that it asks. So a lock file can be
// right here and wrong for others: without the native part of a package, or with hosts that only its maker reaches. And
// of each package that wants to run a script when it is installed, package.json says whether it may.
import { readFileSync } from 'node:fs';

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json');
const { allowScripts } = read('package.json');
const nameOf = (place) => place.split('node_modules/').at(-1);
const locked = new Set(Object.keys(packages).map(nameOf));
const faults = Object.entries(packages).flatMap(
  ([place, { resolved, hasInstallScript, optionalDependencies = {} }]) => [
    ...(resolved ? [`${place} names the host it came from`] : []),
    ...(hasInstallScript && !Object.hasOwn(allowScripts, nameOf(place))
      ? [`${place} has an install script, and allowScripts in package.json does not say whether it may run`]
      : []),
    ...Object.entries(optionalDependencies)
      .filter(([name]) => !locked.has(name))
      .map(([name, range]) => `${place} wants ${name}@${range} on some platforms, which is not locked`),
  ],
);
if (faults.length > 0) {
  console.error(`package-lock.json:\n  ${faults.join('\n  ')}`);
  process.exitCode = 1;
}
