/** Times in the audit: UTC, ISO 8601, milliseconds. */
export function isoTime(epochMs: number): string {
  return new Date(Math.trunc(epochMs)).toISOString();
}
