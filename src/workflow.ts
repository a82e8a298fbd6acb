/** For workflow code: `import { logStep } from 'batchtrail/workflow'`. */
import { BadInput } from './domain/errors.js';
import type { LogLevel } from './domain/model.js';
import { sendLogLine } from './interceptors/runState.js';

export interface LogStepOptions {
  readonly message?: string;
  /** Default: `info`. */
  readonly status?: LogLevel;
  /** The step's place in the pipeline, where that has a number. */
  readonly sequence?: number;
}

const LEVELS: readonly LogLevel[] = ['info', 'debug', 'warning', 'error'];

/** Writes a line into the batch's timeline. It adds nothing to the workflow's history, and a replay does not double it. */
export function logStep(name: string, { message, status = 'info', sequence }: LogStepOptions = {}): void {
  // The level may come from data; an unknown one must not reach the table.
  if (!LEVELS.includes(status)) {
    throw new BadInput(`logStep: status ${JSON.stringify(status)} is unknown. Known: ${LEVELS.join(', ')}`);
  }
  sendLogLine({ step: name, status, message: message ?? null, sequence: sequence ?? null });
}
