import { CancellationScope } from '@temporalio/workflow';

/**
 * Does all jobs, at most so many at once. When one fails the others are cancelled and waited for, so that none runs on
 * unattended.
 */
export async function together<T>(jobs: ReadonlyArray<() => Promise<T>>, atOnce = jobs.length): Promise<T[]> {
  const failures: unknown[] = [];
  const results: T[] = [];
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    let next = 0;
    const takeJobs = async (): Promise<void> => {
      while (next < jobs.length && failures.length === 0) {
        const index = next++;
        try {
          results[index] = await jobs[index]!();
        } catch (error) {
          failures.push(error);
          scope.cancel();
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, jobs.length) }, takeJobs));
  });
  if (failures.length > 0) throw failures[0];
  return results;
}
