/** What crosses from the workflow isolate to the worker's process: plain data, sent through sinks. */
import type { Sinks } from '@temporalio/workflow';
import type { LogLevel } from '../domain/model.js';

/** Sinks of all plugins share one table: the name is ours alone, and a clash is an error. */
export const SINK = 'batchtrail';

/** What only the isolate knows of a run; the rest comes with Temporal's WorkflowInfo. */
export interface RunNote {
  readonly pipeline: string;
  /** When this workflow task began, by Temporal's clock. */
  readonly taskTime: number;
}

export interface LogLine {
  readonly step: string;
  readonly status: LogLevel;
  readonly message: string | null;
  readonly sequence: number | null;
  /** Counts a run's lines, the same on every replay. */
  readonly number: number;
}

export interface BatchtrailSinks extends Sinks {
  [SINK]: {
    /** The run is about to take its first live step: its batch row must be durable before that. */
    opened(note: RunNote): void;
    logged(note: RunNote, line: LogLine): void;
    /** A workflow task is about to fail; Temporal will try it again. */
    taskFailed(note: RunNote, message: string): void;
    /** The run is about to close. A hint: the close event is the truth. */
    closing(note: RunNote): void;
  };
}
