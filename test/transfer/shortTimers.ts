/** In the workflow isolate: what a workflow waits for by a timer comes at once. */
import type { WorkflowInterceptors } from '@temporalio/workflow';

export const interceptors = (): WorkflowInterceptors => ({
  outbound: [{ startTimer: (input, next) => next({ ...input, durationMs: 1 }) }],
});
