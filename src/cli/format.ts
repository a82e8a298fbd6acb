/** Values of the audit as people read them. */

/** `2025-11-21T06:04:12.123Z` without what nobody reads in a list. Times are UTC. */
export function dayAndTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

export function timeOfDay(iso: string): string {
  return iso.slice(11, 23);
}

export function duration(ms: number | null): string {
  if (ms === null) return '';
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${twoDigits(Math.floor(ms / 1_000) % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

export function count(value: number | null): string {
  return value === null ? '' : String(value);
}
