import { certifyDue } from '../audit/certifyDue.js';
import type { Certified } from '../audit/certifyDue.js';
import { addMissing, quoted } from '../audit/missingRuns.js';
import type { Looked } from '../audit/missingRuns.js';
import type { Config } from '../config.js';
import { withRecorder } from './recorder.js';
import { withTemporalReader } from './temporalClient.js';

export function reconcile(config: Config, since: string): Promise<Certified & { looked: Looked }> {
  return withTemporalReader(config, (temporal) =>
    withRecorder(config, async (recorder) => {
      const certified = await certifyDue(temporal, recorder);
      const query = `TaskQueue = ${quoted(config.worker.taskQueue)} AND CloseTime >= ${quoted(since)}`;
      return { ...certified, looked: await addMissing(temporal, recorder, query) };
    }),
  );
}

/** `query` takes the place of the configuration's task queue. */
export function backfill(
  config: Config,
  since: string,
  query: string | undefined,
  onProgress: (added: number, missing: number) => void,
): Promise<Looked> {
  const which = query ?? `TaskQueue = ${quoted(config.worker.taskQueue)}`;
  return withTemporalReader(config, (temporal) =>
    withRecorder(config, (recorder) =>
      addMissing(temporal, recorder, `StartTime >= ${quoted(since)} AND (${which})`, { onProgress }),
    ),
  );
}
