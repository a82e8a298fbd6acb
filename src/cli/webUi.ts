/** Links to Temporal's Web UI. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Config } from '../config.js';
import type { PipelineLog } from '../domain/model.js';

/** Where a development server has it. */
const LOCAL_UI = 'http://localhost:8233';

/** The page of the batch's latest run; undefined when it has none, or nobody said where the Web UI is. */
export function runUrl(
  { temporal }: Pick<Config, 'temporal'>,
  { Namespace, WorkflowID, RunID, WorkflowType }: PipelineLog,
): string | undefined {
  const ui = temporal.ui ?? localUi();
  const parts = [Namespace, WorkflowID, RunID];
  // An activity without a workflow has no such page.
  if (ui === undefined || WorkflowType === null || parts.includes(null)) return undefined;
  const [namespace, workflowID, runID] = parts.map((part) => encodeURIComponent(part!));
  return `${ui}/namespaces/${namespace}/workflows/${workflowID}/${runID}/history`;
}

/** Of another machine's Temporal, the address says nothing about the Web UI's. */
function localUi(): string | undefined {
  const { address = 'localhost' } = loadClientConnectConfig().connectionOptions;
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(address) ? LOCAL_UI : undefined;
}
