import { ActivityFailure, ApplicationFailure } from '@temporalio/common';

/** What a step failed of. Across the border of the isolate only the name of an error's class is left. */
export function failureType(error: unknown): string | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}
