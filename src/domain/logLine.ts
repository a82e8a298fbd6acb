import { BadInput } from './errors.js';
import type { LogLevel } from './model.js';

export interface LogDetails {
  readonly message?: string;
  /** Default: `info`. */
  readonly status?: LogLevel;
  /** The step's place in the pipeline, where that has a number. */
  readonly sequence?: number;
}

const LEVELS: readonly LogLevel[] = ['info', 'debug', 'warning', 'error'];

/** What is logged may come from data: what a table can't hold is refused where it is said. */
export function checkLogLine(caller: string, step: unknown, details: LogDetails): LogDetails {
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new BadInput(`${caller}: ${name} must be ${wanted}, not ${JSON.stringify(value) ?? typeof value}`);
  };
  const { message, status, sequence } = details;
  if (typeof step !== 'string' || step === '') refuse('the step', step, 'a text');
  if (message !== undefined && typeof message !== 'string') refuse('message', message, 'a text');
  if (status !== undefined && !LEVELS.includes(status))
    refuse('status', status, `one of ${LEVELS.join(', ')}`);
  if (sequence !== undefined && !Number.isSafeInteger(sequence))
    refuse('sequence', sequence, 'a whole number');
  return details;
}
