import { READY_MADE_PIPELINES } from './readyMade.js';
import { cut, storable } from './text.js';

/** What a batch's pipeline is called: the memo says it, else the input, else the kind of workflow. */
export function pipelineName(workflowType: string, memo: unknown, input: unknown): string {
  return pipelineOf(memo) ?? pipelineOf(input) ?? READY_MADE_PIPELINES[workflowType] ?? workflowType;
}

function pipelineOf(holder: unknown): string | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined;
  const { pipeline } = holder as { pipeline?: unknown };
  return typeof pipeline === 'string' && pipeline.trim() !== '' ? cut(storable(pipeline), 255) : undefined;
}
