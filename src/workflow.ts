/** For workflow code: `import { logStep } from 'batchtrail/workflow'`. */
import { checkLogLine } from './domain/logLine.js';
import type { LogDetails } from './domain/logLine.js';
import { sendLogLine } from './interceptors/runState.js';

export type { LogDetails } from './domain/logLine.js';

/** Writes a line into the batch's timeline. It adds nothing to the workflow's history, and a replay does not double it. */
export function logStep(name: string, details: LogDetails = {}): void {
  const { message, status = 'info', sequence } = checkLogLine('logStep', name, details);
  sendLogLine({ step: name, status, message: message ?? null, sequence: sequence ?? null });
}
