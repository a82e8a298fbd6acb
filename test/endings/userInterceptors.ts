/** Somebody else's workflow interceptor, with a sink of its own. */
import { proxySinks, workflowInfo } from '@temporalio/workflow';
import type { Sinks, WorkflowInterceptorsFactory } from '@temporalio/workflow';

interface MySinks extends Sinks {
  mine: { saw(what: string): void };
}

export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [
    {
      async execute(input, next) {
        // A turn of the event loop before the workflow begins, as an interceptor may take.
        await Promise.resolve();
        proxySinks<MySinks>().mine.saw(workflowInfo().workflowType);
        return next(input);
      },
    },
  ],
});
