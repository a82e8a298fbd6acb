import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { cacheFolder } from '../../src/dev/cacheFolder.js';

it.each([
  ['linux', {}, join(homedir(), '.cache', 'batchtrail')],
  ['linux', { XDG_CACHE_HOME: resolve('/xdg') }, join(resolve('/xdg'), 'batchtrail')],
  ['linux', { XDG_CACHE_HOME: 'relative' }, join(homedir(), '.cache', 'batchtrail')],
  ['darwin', {}, join(homedir(), 'Library', 'Caches', 'batchtrail')],
  ['win32', { LOCALAPPDATA: '/Local' }, join('/Local', 'batchtrail')],
  ['win32', {}, join(homedir(), 'AppData', 'Local', 'batchtrail')],
  ['linux', { BATCHTRAIL_CACHE: 'mine', XDG_CACHE_HOME: '/xdg' }, resolve('mine')],
] as const)('the cache folder on %s with %j is %s', (platform, env, folder) => {
  expect(cacheFolder(env, platform)).toBe(folder);
});
