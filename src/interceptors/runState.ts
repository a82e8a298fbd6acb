/** What the isolate keeps about its one run. Module state belongs to a run, also when contexts are reused. */
import { proxySinks, workflowInfo } from '@temporalio/workflow';
import { pipelineName } from '../domain/pipeline.js';
import { SINK } from './protocol.js';
import type { BatchtrailSinks, LogLine, RunNote } from './protocol.js';

const run = { isAudited: false, pipeline: undefined as string | undefined, lines: 0 };

/** Called by the interceptors: there is a plugin in this worker, so there is somebody to send to. */
export function beginAudit(): void {
  run.isAudited = true;
}

/** The input may name the pipeline, and it is known only when the workflow function is called. */
export function nameRun(input: unknown): void {
  const { workflowType, memo } = workflowInfo();
  run.pipeline = pipelineName(workflowType, memo, input);
}

export function note(): RunNote {
  const { workflowType, memo } = workflowInfo();
  return {
    pipeline: run.pipeline ?? pipelineName(workflowType, memo, undefined),
    taskTime: Date.now(),
  };
}

export function sinks(): BatchtrailSinks[typeof SINK] {
  return proxySinks<BatchtrailSinks>()[SINK];
}

export function sendLogLine(line: Omit<LogLine, 'number'>): void {
  if (run.isAudited) sinks().logged(note(), { ...line, number: ++run.lines });
}
