/** The Node API. Workflow code imports from `batchtrail/workflow` instead. */
export { BatchtrailPlugin } from './plugin.js';
export type { BatchtrailOptions } from './config.js';
export { batch } from './audit/batchScope.js';
export type { Batch } from './audit/batchScope.js';
export type { LogDetails } from './domain/logLine.js';
export type { ReportedCounts } from './domain/counts.js';
export type { Alert, BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from './domain/model.js';
