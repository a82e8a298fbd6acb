/** Checks of command-line values; commander turns the error into a usage error. */
import { InvalidArgumentError } from 'commander';
import { isoTime } from '../domain/time.js';

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `24h` ago, or a date or time; without a zone it is UTC, as in the tables. */
export function pointInTime(text: string): string {
  const [, amount, unit] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const isISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?(Z|[+-]\d{2}:\d{2})?$/.test(text);
  const hasZone = /(Z|[+-]\d{2}:\d{2})$/.test(text);
  const written = text.length > 10 && !hasZone ? `${text.replace(' ', 'T')}Z` : text;
  const time = unit ? Date.now() - Number(amount) * UNIT_MS[unit]! : isISO ? Date.parse(written) : NaN;
  if (Number.isNaN(new Date(time).getTime())) {
    throw new InvalidArgumentError(
      'Write how long ago, as in 30m, 24h or 7d, or a time in UTC, as in 2026-11-01T06:00',
    );
  }
  return isoTime(time);
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a positive whole number');
  }
  return value;
}
