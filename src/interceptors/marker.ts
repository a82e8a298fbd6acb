/** Stands in a workflow bundle's code when our interceptors are part of it: only `workflow.ts` beside it imports this. */
export const BUNDLE_MARKER = 'batchtrail-workflow-interceptors-v1';
