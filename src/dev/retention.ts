/** How long a development server that keeps its data keeps runs that have ended. By itself it erases them after a day. */
import type { WorkflowService } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';

const KEPT = '30 days';

/** A run gets its term when it ends, by what the server's parts last read of the namespace: let them read it often. */
export const FAST_NAMESPACES = ['--dynamic-config-value', 'system.namespaceCacheRefreshInterval="500ms"'];

export async function keepLong(service: WorkflowService): Promise<void> {
  await service.updateNamespace({
    namespace: 'default',
    config: { workflowExecutionRetentionTtl: msToTs(KEPT) },
  });
}
