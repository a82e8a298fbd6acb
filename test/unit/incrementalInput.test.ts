import { describe, expect, it } from 'vitest';
import { checkIncrementalInput, nominalWindow } from '../../src/domain/incremental.js';

const GOOD = {
  ...{ source: 'erp', staging: 'lake', target: 'dwh', mode: 'merge' },
  tables: [{ from: 'shop.orders' }, { from: 'shop.lines', cursor: 'changed' }],
  ...{ cursor: 'updated_at', window: '30m' },
};
const MINUTE = 60_000;

describe('the input of incrementalTransfer', () => {
  it('is taken when it fits', () => {
    expect(checkIncrementalInput({ ...GOOD, lag: '90s', overlap: '1h30m' }).pace).toEqual({
      ...{ kind: 'time', window: 30 * MINUTE, lag: 1.5 * MINUTE, overlap: 90 * MINUTE },
    });
    expect(checkIncrementalInput({ ...GOOD, window: '7d' }).pace).toMatchObject({
      window: 7 * 24 * 60 * MINUTE,
      lag: 0,
    });
    const byKey = { ...GOOD, window: undefined, lag: 100, overlap: 10 };
    expect(checkIncrementalInput(byKey).pace).toEqual({ kind: 'key', window: 0, lag: 100, overlap: 10 });
  });

  it.each([
    [{ mode: 'replace' }, 'incrementalTransfer input.mode must be one of append, merge, not "replace"'],
    [{ window: '30' }, 'incrementalTransfer input.window must be a duration, as 30m, 1h30m or 7d, not "30"'],
    [{ window: '0m' }, 'incrementalTransfer input.window must be a duration, as 30m, 1h30m or 7d, not "0m"'],
    [{ window: 30 }, 'incrementalTransfer input.window must be a text, not 30'],
    [{ lag: 5 }, 'incrementalTransfer input.lag must be a duration, as 30m, 1h30m or 7d, not 5'],
    [{ lag: -5 }, 'incrementalTransfer input.lag must be a whole number above 0, not -5'],
    [
      { window: undefined, lag: '5m' },
      'incrementalTransfer input.lag must be a whole number, not "5m": without a window, the cursor is a rising key',
    ],
    [
      { overlap: '1h', mode: 'append' },
      'incrementalTransfer input.overlap reads rows again that are in, which mode append would double. Use mode merge, or leave out overlap',
    ],
    [
      { cursor: undefined },
      'incrementalTransfer input.cursor is missing, and tables[0] has none. Name the column that says which rows are new',
    ],
    [
      { at: '2026-11-01 06:30' },
      'incrementalTransfer input.at must be a time with its zone, as 2026-11-01T06:30:00Z, not "2026-11-01 06:30"',
    ],
    [
      { at: '2026-11-01T06:30:00Z', window: undefined },
      'incrementalTransfer input.at is for cursors that are times, which need a window. Leave it out',
    ],
  ])('is refused by name: %j', (change, message) => {
    expect(() => checkIncrementalInput({ ...GOOD, ...change })).toThrow(message);
  });
});

describe('the window', () => {
  const { pace } = checkIncrementalInput({ ...GOOD, lag: '5m' });
  const started = new Date('2026-11-01T10:17:23.456Z');

  it.each([
    [
      'of a Schedule’s run ends at its nominal time',
      { scheduled: new Date('2026-11-01T09:07:00Z') },
      '08:32',
      '09:02',
    ],
    ['of any other run is the last whole one', {}, '09:25', '09:55'],
    [
      'is the one that was asked for',
      { at: '2026-11-01T10:00:00+02:00', scheduled: started },
      '07:25',
      '07:55',
    ],
  ])('%s, less the lag', (_, run, from, to) => {
    expect(nominalWindow(pace, { started, ...run })).toEqual({
      from: `2026-11-01T${from}:00.000Z`,
      to: `2026-11-01T${to}:00.000Z`,
    });
  });
});
