/** Durations as Temporal's command line writes them: `30m`, `1h30m`; and days, `7d`. */
import { ShapeError, show } from './shape.js';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds. */
export function duration(value: unknown, at: string): number {
  const parts = typeof value === 'string' && /^(\d+[dhms])+$/.test(value) ? value.match(/\d+./g)! : [];
  const ms = parts.reduce((sum, part) => sum + Number(part.slice(0, -1)) * UNIT_MS[part.at(-1)!]!, 0);
  if (ms > 0 && Number.isSafeInteger(ms)) return ms;
  throw new ShapeError(`${at} must be a duration, as 30m, 1h30m or 7d, not ${show(value)}`);
}
