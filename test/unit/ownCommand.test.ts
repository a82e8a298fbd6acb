import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { callOf, quoted } from '../../src/cli/ownCommand.js';

const here = process.cwd();

it.each([
  ['in a checkout', join(here, 'dist', 'cli', 'main.js'), `node ${join('dist', 'cli', 'main.js')}`],
  [
    'in another folder',
    resolve(here, '..', 'my tools', 'main.js'),
    `node "${join('..', 'my tools', 'main.js')}"`,
  ],
  ['in this project', join(here, 'node_modules', '.bin', 'batchtrail'), 'npx batchtrail'],
  ["in a parent's project", resolve(here, '..', 'node_modules', '.bin', 'batchtrail'), 'npx batchtrail'],
  [
    "in npx's cache",
    join(here, '..', '_npx', '1a2b', 'node_modules', '.bin', 'batchtrail'),
    'npx batchtrail',
  ],
  ['for everybody', resolve(here, '..', 'bin', 'batchtrail'), 'batchtrail'],
  [
    "in another's project",
    resolve(here, '..', 'x', 'node_modules', 'batchtrail', 'dist', 'cli', 'main.js'),
    `node ${join('..', 'x', 'node_modules', 'batchtrail', 'dist', 'cli', 'main.js')}`,
  ],
])('calls itself as it was called when installed %s', (_, script, command) => {
  expect(callOf(script)).toBe(command);
});

it('quotes words only where a shell needs it', () => {
  expect(['etl', './my config.yaml', 'C:\\x\\y.exe', 'a&b'].map(quoted)).toEqual([
    'etl',
    '"./my config.yaml"',
    'C:\\x\\y.exe',
    '"a&b"',
  ]);
});
