/** The steps of a batch with every attempt, step after step. */
import type { EventType, PipelineEvent } from '../domain/model.js';
import { count, duration, timeOfDay } from './format.js';
import type { Style } from './output.js';
import { painted } from './output.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';

const LOG_LEVELS: ReadonlySet<EventType> = new Set(['info', 'debug', 'warning', 'error']);

/** Whether the event is a line that somebody logged, not the start or end of an attempt. */
export function isLogLine({ EventType }: PipelineEvent): boolean {
  return LOG_LEVELS.has(EventType);
}

export function formatTimeline(attempts: readonly PipelineEvent[], width: number): string {
  return formatTable(COLUMNS, stepByStep(attempts), width);
}

interface Line extends PipelineEvent {
  /** The step's name, on its first line only. */
  readonly step: string;
}

/** Steps in the order in which they started; parallel steps don't mix. */
function stepByStep(attempts: readonly PipelineEvent[]): Line[] {
  const steps = new Map<string, PipelineEvent[]>();
  for (const event of attempts) {
    const key = JSON.stringify([event.RunID, event.ActivityID ?? event.StepName]);
    const step = steps.get(key);
    if (step) step.push(event);
    else steps.set(key, [event]);
  }
  return [...steps.values()].flatMap((events) =>
    events.map((event, index) => ({ ...event, step: index === 0 ? event.StepName : '' })),
  );
}

const STYLES: Partial<Record<EventType, Style>> = {
  success: 'green',
  failure: 'red',
  retry: 'yellow',
  cancelled: 'yellow',
  lost: 'red',
};

const COLUMNS: ReadonlyArray<Column<Line>> = [
  { title: 'Step', value: ({ step }) => step },
  { title: 'Time', value: ({ EventTime }) => timeOfDay(EventTime) },
  {
    title: 'Event',
    value: ({ EventType }) => EventType,
    paint: (cell, { EventType }) => {
      const style = STYLES[EventType];
      return style === undefined ? cell : painted(style, cell);
    },
  },
  { title: 'Attempt', align: 'right', value: ({ Attempt }) => count(Attempt) },
  { title: 'Duration', align: 'right', value: ({ DurationMs }) => duration(DurationMs) },
  { title: 'Rows', align: 'right', value: ({ RowsProcessed }) => count(RowsProcessed) },
  { title: 'Note', value: note },
];

function note({ EventType, ErrorMessage, NextRetryTime, Message }: PipelineEvent): string {
  const nextTry =
    EventType === 'retry' && NextRetryTime !== null ? `next try ${timeOfDay(NextRetryTime)}` : null;
  return [nextTry, ErrorMessage, Message].filter((part) => part !== null).join(' · ');
}
