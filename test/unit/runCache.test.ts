import { expect, it } from 'vitest';
import { RunCache } from '../../src/audit/runCache.js';

function cacheOf(capacity: number) {
  const cache = new RunCache<string>(capacity);
  const asked: string[] = [];
  const ask = (runID: string): Promise<string> =>
    cache.get(runID, async () => {
      asked.push(runID);
      return `batch of ${runID}`;
    });
  return { cache, asked, ask };
}

it('keeps a run that is asked for again and again, however many others come meanwhile', async () => {
  const { asked, ask } = cacheOf(3);
  for (const other of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await ask('long');
    await ask(other);
  }
  expect(await ask('long')).toBe('batch of long');
  expect(asked.filter((runID) => runID === 'long')).toHaveLength(1);
  await ask('a');
  expect(asked.filter((runID) => runID === 'a')).toHaveLength(2);
});

it('asks once for those who ask at the same time, and again after a failure', async () => {
  const cache = new RunCache<string>();
  let asked = 0;
  const failing = (): Promise<string> => {
    asked++;
    return Promise.reject(new Error('not now'));
  };
  const both = await Promise.allSettled([cache.get('run', failing), cache.get('run', failing)]);
  expect([asked, ...both.map(({ status }) => status)]).toEqual([1, 'rejected', 'rejected']);
  expect(await cache.get('run', async () => 'batch')).toBe('batch');
});

it('does not forget what was found while an earlier question failed', async () => {
  const cache = new RunCache<string>();
  let fail!: (error: Error) => void;
  const first = cache.get('run', () => new Promise((_, reject) => (fail = reject)));
  cache.forget('run');
  await cache.get('run', async () => 'batch');
  fail(new Error('not now'));
  await expect(first).rejects.toThrow('not now');
  expect(await cache.get('run', () => Promise.reject(new Error('asked again')))).toBe('batch');
});

it('knows without asking what was found, and not what is still asked for or failed', async () => {
  const cache = new RunCache<string>();
  expect(cache.known('run')).toBeUndefined();
  const failing = cache.get('run', () => Promise.reject(new Error('not now')));
  expect(cache.known('run')).toBeUndefined();
  await expect(failing).rejects.toThrow('not now');
  expect(cache.known('run')).toBeUndefined();
  await cache.get('run', async () => 'batch');
  expect(cache.known('run')).toBe('batch');
});
