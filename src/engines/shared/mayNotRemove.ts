import { BadConfig } from '../../domain/errors.js';

/** Of a worker's user, who needs no right to delete but for this. */
export function mayNotRemove(cause: unknown): BadConfig {
  return new BadConfig(
    "The audit's user lacks the right DELETE on PipelineLog, PipelineRun, PipelineEvent and Alert, which a purge needs. " +
      'Let a DBA grant it, or let a worker purge that has another user',
    { cause },
  );
}
