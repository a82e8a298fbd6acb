import { expect, it, vi } from 'vitest';
import { Turns } from '../../src/activities/turns.js';

/** Begins work that goes on until it is told, or cancelled. */
function begun(turns: Turns, name: string, log: string[]) {
  const leaving = new AbortController();
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const done = turns.inTurn(leaving.signal, async () => {
    log.push(name);
    await ended;
    return name;
  });
  return { done, end, leave: () => leaving.abort() };
}

it('lets so many at once, the others in the order in which they came, and passes over those who left', async () => {
  const turns = new Turns(2);
  const log: string[] = [];
  const begin = (name: string) => begun(turns, name, log);
  const [a, b, c, d, e] = [begin('a'), begin('b'), begin('c'), begin('d'), begin('e')] as const;
  await Promise.resolve();
  expect(log).toEqual(['a', 'b']);
  c.leave();
  expect(await c.done).toBeUndefined();
  b.end();
  expect(await b.done).toBe('b');
  await vi.waitFor(() => expect(log).toEqual(['a', 'b', 'd']));
  a.end();
  d.end();
  e.end();
  await Promise.all([a.done, d.done, e.done]);
  expect(log).toEqual(['a', 'b', 'd', 'e']);
});

it('takes a turn back from work that failed', async () => {
  const turns = new Turns(1);
  const { signal } = new AbortController();
  await expect(turns.inTurn(signal, async () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  );
  expect(await turns.inTurn(signal, async () => 'next')).toBe('next');
});
