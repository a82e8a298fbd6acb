import { expect, it } from 'vitest';
import { Backoff } from '../../src/audit/backoff.js';

it('doubles the pause up to five minutes, and calls hopeless what failed for ten', () => {
  let now = 1_000_000;
  const backoff = new Backoff(() => now);
  const pauses: number[] = [];
  for (let failure = 0; failure < 11; failure++) {
    backoff.failed('run');
    const failedAt = now;
    while (backoff.isWaiting('run')) now += 1_000;
    pauses.push((now - failedAt) / 1_000);
    expect(backoff.isHopeless('run')).toBe(now - 1_000_000 > 600_000);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  expect([backoff.isWaiting('other'), backoff.isHopeless('other')]).toEqual([false, false]);
  backoff.succeeded('run');
  expect([backoff.isHopeless('run'), backoff.size]).toEqual([false, 0]);
});

it('forgets runs that nobody came back to', () => {
  let now = 0;
  const backoff = new Backoff(() => now);
  backoff.failed('one');
  now += 700_000;
  backoff.failed('other');
  expect(backoff.size).toBe(1);
});
