import type { BatchRef } from '../domain/model.js';
import type { Change, Item, Kind } from './groupCommit.js';

interface About {
  readonly LogID?: number | undefined;
  readonly WorkflowID?: string | undefined;
  readonly RunID?: string | undefined;
}

/** Which batch and run a change is about, as far as it says so itself. */
const ABOUT: { readonly [K in Kind]: (item: Item<K>) => About } = {
  openAndRecord: ({ start }) => ofStart(start),
  record: ([event]) => ({ LogID: event?.LogID, RunID: event?.RunID }),
  open: ofStart,
  find: ofStart,
  note: ({ start }) => ofStart(start),
  close: ({ LogID, RunID }) => ({ LogID, RunID }),
  settle: ({ start }) => ofStart(start),
};

function ofStart({ WorkflowID, RunID }: Item<'find'>): About {
  return { WorkflowID: WorkflowID ?? undefined, RunID };
}

export function aboutItem(kind: Kind, item: unknown): About {
  return (ABOUT[kind] as (item: unknown) => About)(item);
}

/** For the log: with what this process knows of the run. */
export function aboutChange(
  { kind, item }: Pick<Change, 'kind' | 'item'>,
  batchOf: (runID: string) => BatchRef | undefined,
): About & { readonly kind: Kind } {
  const { LogID, WorkflowID, RunID } = aboutItem(kind, item);
  const batch = RunID === undefined ? undefined : batchOf(RunID);
  return {
    kind,
    LogID: LogID ?? batch?.LogID,
    WorkflowID: WorkflowID ?? batch?.WorkflowID ?? undefined,
    RunID,
  };
}
