import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/dev/seededRandom.js';
import type { Interval } from '../../src/domain/interval.js';
import { around, joined, meets, moved, without } from '../../src/domain/interval.js';

const keys = (...pairs: Array<[number, number]>): Interval[] =>
  pairs.map(([from, to]) => ({ from: String(from), to: String(to) }));

const clock = (from: string, to: string): Interval => ({
  from: `2026-11-01T${from}:00.000Z`,
  to: `2026-11-01T${to}:00.000Z`,
});

describe('intervals', () => {
  it('that meet are joined; empty ones are none', () => {
    expect(joined(keys([5, 7], [1, 3], [3, 4], [9, 9], [6, 8]), 'key')).toEqual(keys([1, 4], [5, 8]));
  });

  it('are counted, not compared as texts', () => {
    expect(joined(keys([9, 100], [10, 11], [-20, -3]), 'key')).toEqual(keys([-20, -3], [9, 100]));
    expect(moved('9223372036854775807', 1, 'key')).toBe('9223372036854775808');
    const [offset] = joined([{ from: '2026-11-01T10:00:00+02:00', to: '2026-11-01T08:30:00Z' }], 'time');
    expect(offset).toEqual(clock('08:00', '08:30'));
  });

  it('are left with what is not in', () => {
    const left = without(
      [clock('10:00', '12:00')],
      [clock('09:00', '10:30'), clock('11:00', '11:30')],
      'time',
    );
    expect(left).toEqual([clock('10:30', '11:00'), clock('11:30', '12:00')]);
    expect(without(keys([1, 5]), keys([0, 9]), 'key')).toEqual([]);
    expect(without(keys([1, 5]), keys([5, 9], [-1, 1]), 'key')).toEqual(keys([1, 5]));
  });

  it('do not meet where one ends and the next begins', () => {
    const [first, second] = keys([1, 5], [5, 9]) as [Interval, Interval];
    expect(meets(first, second, 'key')).toBe(false);
    expect(meets(first, { from: '4', to: '5' }, 'key')).toBe(true);
  });

  it('are what sets of their members are', () => {
    const random = seededRandom(6);
    const some = (): Interval[] =>
      keys(
        ...Array.from({ length: Math.floor(random() * 5) }, (): [number, number] => {
          const from = Math.floor(random() * 20) - 5;
          return [from, from + Math.floor(random() * 6)];
        }),
      );
    const members = (intervals: readonly Interval[]): Set<number> =>
      new Set(
        intervals.flatMap(({ from, to }) =>
          Array.from({ length: Number(to) - Number(from) }, (_, index) => Number(from) + index),
        ),
      );
    for (let turn = 0; turn < 1_000; turn++) {
      const [a, b] = [some(), some()];
      const [inA, inB] = [members(a), members(b)];
      expect(members(joined(a, 'key'))).toEqual(inA);
      const left = without(a, b, 'key');
      expect(members(left)).toEqual(new Set([...inA].filter((one) => !inB.has(one))));
      expect(left).toEqual(joined(left, 'key'));
      if (inA.size > 0) expect(around(joined(a, 'key'), 'key').from).toBe(String(Math.min(...inA)));
    }
  });

  it('of another kind than the cursor are refused by name', () => {
    expect(() => joined([clock('10:00', '11:00')], 'key')).toThrow(
      '"2026-11-01T10:00:00.000Z" in the ledger BatchInterval is no whole number, as the cursor is now',
    );
    expect(() => joined(keys([1, 2]), 'time')).toThrow('"1" in the ledger BatchInterval is no time');
  });
});
