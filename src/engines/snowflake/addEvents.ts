import { PIPELINE_EVENT_COLUMNS } from '../../domain/columns.js';
import { BatchGone } from '../../domain/errors.js';
import type { PipelineEvent, PipelineRun, Tombstone } from '../../domain/model.js';
import type { EventsFound } from '../contract.js';
import { checkRuns } from './duplicates.js';
import type { Homes } from './homes.js';
import { readParts, rowsOf } from './records.js';
import type { Row } from './session.js';
import { ids } from './statements.js';
import type { Tables } from './tables.js';

/** With the LogID, Snowflake looks only at the parts of a large table that can hold the event. */
export const EVENT_KEYS = ['LogID', 'EventID'] as const;
const RUN_COLUMNS = ['RunID', 'LogID', 'Status'] as const;
const GONE_COLUMNS = ['LogID'] as const;
type Run = Pick<PipelineRun, (typeof RUN_COLUMNS)[number]>;

/**
 * One SELECT answers what is there already; the MERGE of the rest is held back, and is often all that the transaction
 * writes. It must insert every row of them: if somebody else was faster with one, the work is done again.
 */
export async function addEvents(
  tables: Tables,
  homes: Homes,
  events: readonly PipelineEvent[],
): Promise<EventsFound> {
  if (events.length === 0) return { existing: [], closedRuns: [] };
  let stored = homes.store(events);
  let rows = await look(tables, stored);
  let runs = checkRuns(rowsOf<Run>(rows, 'PipelineRun', RUN_COLUMNS));
  if (homes.learn(events, runs)) {
    stored = homes.store(events);
    rows = await look(tables, stored);
    runs = checkRuns(rowsOf<Run>(rows, 'PipelineRun', RUN_COLUMNS));
  }
  const gone = rowsOf<Tombstone>(rows, 'Tombstone', GONE_COLUMNS).map(({ LogID }) => LogID);
  if (gone.length > 0) throw new BatchGone([...new Set(gone)]);
  const existing = rowsOf<PipelineEvent>(rows, 'PipelineEvent', PIPELINE_EVENT_COLUMNS);
  const known = new Set(existing.map(({ EventID }) => EventID));
  tables.merge(
    'PipelineEvent',
    stored.filter(({ EventID }) => !known.has(EventID)),
    PIPELINE_EVENT_COLUMNS,
    { keys: EVENT_KEYS, insert: PIPELINE_EVENT_COLUMNS, must: true },
  );
  const logIDs = new Map(events.map(({ EventID, LogID }) => [EventID, LogID]));
  return {
    existing: existing.map((event) => ({ ...event, LogID: logIDs.get(event.EventID)! })),
    closedRuns: runs.filter(({ Status }) => Status !== 'Running').map(({ RunID }) => RunID),
  };
}

/** The events that are there, their runs, and those of the runs that were purged. */
function look({ frame, schema }: Tables, events: readonly PipelineEvent[]): Promise<Row[]> {
  const logIDs = events.map(({ LogID }) => LogID);
  const eventIDs = ids(events.map(({ EventID }) => EventID));
  const runIDs = ids([...new Set(events.map(({ RunID }) => RunID))]);
  const between = [logIDs.reduce((a, b) => Math.min(a, b)), logIDs.reduce((a, b) => Math.max(a, b))];
  return frame.read(
    ['PipelineRun', 'PipelineEvent', 'Tombstone'],
    readParts(schema, [
      {
        table: 'PipelineEvent',
        columns: PIPELINE_EVENT_COLUMNS,
        where: {
          text: `T.LogID BETWEEN ? AND ? AND T.EventID IN ${eventIDs.text}`,
          binds: [...between, ...eventIDs.binds],
        },
      },
      {
        table: 'PipelineRun',
        columns: RUN_COLUMNS,
        where: { text: `T.RunID IN ${runIDs.text}`, binds: runIDs.binds },
      },
      {
        table: 'Tombstone',
        columns: GONE_COLUMNS,
        where: { text: `T.RunID IN ${runIDs.text}`, binds: runIDs.binds },
      },
    ]),
  );
}
