/**
 * SQL Server ignores blanks at the end when it compares texts, whatever the collation, and so do its unique keys. Such
 * ids get a sign at the end, which they lose again when they are read.
 */
const COMPARED = new Set(['Namespace', 'RunID', 'OriginalRunID', 'ScheduleID', 'EventID']);
const END = '\u2420';

/** Whether rows are found by this id. */
export function isCompared(column: string): boolean {
  return COMPARED.has(column);
}

export function storedID(id: string): string {
  return id.endsWith(' ') || id.endsWith(END) ? id + END : id;
}

export function readID(id: string): string {
  return id.endsWith(END) ? id.slice(0, -END.length) : id;
}
