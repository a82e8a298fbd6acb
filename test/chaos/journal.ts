/**
 * What the test activities write down themselves, beside the audit: one line per attempt, before it works. Each worker
 * process has a file of its own. A line is in the file when `write` returns, so it survives a SIGKILL right after.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';

const ENDING = '.jsonl';

export interface AttemptNote {
  readonly RunID: string;
  readonly ActivityID: string;
  readonly Attempt: number;
  readonly scheduledAt: number;
  /** When the line was written. */
  readonly at: number;
}

export interface JournalLine extends AttemptNote {
  /** The name of the worker process that wrote it. */
  readonly process: string;
}

export interface Journal {
  write(note: AttemptNote): void;
  close(): void;
}

export function openJournal(folder: string, processName: string): Journal {
  // O_APPEND, and one write per line: no line is ever torn.
  const file = openSync(join(folder, `${processName}${ENDING}`), 'a');
  return {
    write: (note) => void writeSync(file, `${JSON.stringify(note)}\n`),
    close: () => closeSync(file),
  };
}

export function readJournals(folder: string): JournalLine[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ENDING))
    .flatMap((name) => {
      const process = basename(name, ENDING);
      const lines = readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean);
      return lines.map((line) => ({ ...(JSON.parse(line) as AttemptNote), process }));
    });
}
