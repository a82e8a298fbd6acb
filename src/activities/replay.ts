/** The activities of a replay: which batches are open, whether one may be done again, and what becomes of it. */
import { activityInfo, Context, heartbeat } from '@temporalio/activity';
import { openBatches } from '../audit/openBatches.js';
import type { ReplayActivities, ReplayRun } from '../domain/replay.js';
import type { AuditReader } from '../engines/contract.js';
import { beating } from './beating.js';
import { endOf } from './endOf.js';
import { FailedRun } from './failedRun.js';
import { findChain, refusal } from './mayReplay.js';
import { stuck } from './stuck.js';

export function replayActivities(openReader: () => Promise<AuditReader>): ReplayActivities {
  return {
    findOpen: (filter) =>
      reading(openReader, async (reader) => (await openBatches(reader, filter)).map(({ LogID }) => LogID)),

    async beginReplay(input) {
      const { batchId, from = 'start' } = input;
      const chain = await reading(openReader, (reader) => findChain(reader, batchId));
      if ('refused' in chain) return chain;
      const [record, ...earlier] = chain;
      const { client } = Context.current();
      const { workflowExecution, activityId, attempt, namespace } = activityInfo();
      const request = `${workflowExecution?.runId} ${activityId}`;
      // After a reset the batch's latest run is another one: an attempt tells the next one which it was about.
      const known = activityInfo().heartbeatDetails as ReplayRun | undefined;
      const run = new FailedRun(client, record, known);
      heartbeat(run.run);
      const begun =
        (attempt > 1 && (await run.begunBefore(request))) || refusal(record.batch, input, namespace);
      if (begun) return begun;
      const beginning = await (from === 'start' ? run.newStart() : run.resetPoint());
      if ('refused' in beginning) return beginning;
      const conflict = await run.conflict();
      if (conflict) return conflict;
      return 'task' in beginning
        ? run.reset(beginning, request)
        : run.start(
            beginning,
            earlier.map(({ batch }) => batch),
            request,
          );
    },

    awaitReplay: (run) =>
      beating(async ({ signal }) => {
        const waiting = new AbortController();
        try {
          const { client } = Context.current();
          return await Promise.race([
            endOf(run),
            stuck(client, run, AbortSignal.any([signal, waiting.signal])),
            cancelled(signal),
          ]);
        } finally {
          waiting.abort();
        }
      }),
  };
}

async function reading<T>(
  openReader: () => Promise<AuditReader>,
  work: (reader: AuditReader) => Promise<T>,
): Promise<T> {
  const reader = await openReader();
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

function cancelled(signal: AbortSignal): Promise<never> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
