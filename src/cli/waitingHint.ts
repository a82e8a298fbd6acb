/** So long a worker may take to begin, before people are told to look for one. */
const PATIENCE_MS = 10_000;

/**
 * For commands that have a worker do something, by one of the ready-made workflows: says what they wait for, when that
 * takes long.
 */
export async function withWaitingHint<T>(
  workflowId: string,
  taskQueue: string,
  work: Promise<T>,
): Promise<T> {
  const hint = setTimeout(() => {
    process.stderr.write(
      `Still waiting for workflow ${workflowId}. A worker must run on task queue ${taskQueue}: batchtrail worker\n`,
    );
  }, PATIENCE_MS);
  return work.finally(() => clearTimeout(hint));
}
