import type { Counts } from './model.js';
import { NO_COUNTS } from './model.js';
import { storable } from './text.js';

/** Row counts as an activity reports them, by `batch().rows(…)`. */
export interface ReportedCounts {
  before?: number;
  after?: number;
  processed?: number;
  rejected?: number;
  source?: string;
  target?: string;
}

const REPORTED = {
  before: 'RecordCountBefore',
  after: 'RecordCountAfter',
  processed: 'RowsProcessed',
  rejected: 'RowsRejected',
  source: 'SourceSystem',
  target: 'TargetSystem',
} as const satisfies Record<keyof ReportedCounts, keyof Counts>;

const RETURNED = {
  recordCountBefore: 'RecordCountBefore',
  recordCountAfter: 'RecordCountAfter',
  rowsProcessed: 'RowsProcessed',
  rowsRejected: 'RowsRejected',
  sourceSystem: 'SourceSystem',
  targetSystem: 'TargetSystem',
} as const satisfies Record<string, keyof Counts>;

/** The counts that an activity reported; a count that is none is an error, because it would be stored as a lie. */
export function reportedCounts(reported: ReportedCounts): Partial<Counts> {
  for (const [name, value] of Object.entries(reported)) {
    if (!Object.hasOwn(REPORTED, name)) {
      throw new TypeError(`rows(): unknown count ${name}. Known: ${Object.keys(REPORTED).join(', ')}`);
    }
    const wanted = name === 'source' || name === 'target' ? isText(value) : isCount(value);
    if (value !== undefined && !wanted) {
      throw new TypeError(`rows(): ${name} is ${String(value)}, which is not ${describe(name)}`);
    }
  }
  return pick(reported as Record<string, unknown>, REPORTED);
}

function describe(name: string): string {
  return name === 'source' || name === 'target' ? 'a text' : 'a whole number from 0 to 2^53 - 1';
}

/** The counts in an activity's or workflow's result, where it has some: `{ rowsProcessed: 42 }`. */
export function returnedCounts(result: unknown): Partial<Counts> {
  return typeof result === 'object' && result !== null
    ? pick(result as Record<string, unknown>, RETURNED)
    : {};
}

function pick(from: Record<string, unknown>, names: Record<string, keyof Counts>): Partial<Counts> {
  const found: Partial<Record<keyof Counts, unknown>> = {};
  for (const [name, column] of Object.entries(names)) {
    const value = from[name];
    const isSystem = column.endsWith('System');
    if (isSystem && isText(value)) found[column] = storable(value);
    if (!isSystem && isCount(value)) found[column] = value;
  }
  return found as Partial<Counts>;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Counts of several steps as one: numbers are added, systems listed once each. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum = { ...NO_COUNTS };
  for (const counts of all) {
    for (const name of ['RowsProcessed', 'RowsRejected', 'RecordCountBefore', 'RecordCountAfter'] as const) {
      if (counts[name] !== null) sum[name] = (sum[name] ?? 0) + counts[name];
    }
    for (const name of ['SourceSystem', 'TargetSystem'] as const) {
      const system = counts[name];
      if (system !== null && !sum[name]?.split(', ').includes(system)) {
        sum[name] = sum[name] === null ? system : `${sum[name]}, ${system}`;
      }
    }
  }
  return sum;
}
