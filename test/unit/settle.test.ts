import { expect, it } from 'vitest';
import { settleRun } from '../../src/audit/settle.js';
import type { BatchRecord, PipelineEvent, PipelineRun } from '../../src/domain/model.js';
import { runHistory } from '../contract/rows.js';
import { event, NOW, runStart } from '../support/rows.js';

const FIRST = 'first';
const SIBLING = 'sibling';
const BASE = 'base';
const RESET = 'reset';
const EARLY = '2026-03-29T01:00:00.000Z';
const LATER = '2026-03-29T02:00:00.000Z';

/** Four runs of one batch: all but the first are resets, `RESET` of `BASE`. */
function recordWith(events: PipelineEvent[]): BatchRecord {
  const runs = [FIRST, SIBLING, BASE, RESET].map((RunID): PipelineRun => ({
    ...{ RunID, LogID: 1, Reason: 'reset', StartTime: NOW, EndTime: null, Status: 'Running' },
    ...{ ErrorMessage: null, CertifiedAt: NOW, CertifiedEventID: 1, HistoryHash: null, GapCount: 0 },
  }));
  const batch = { LogID: 1, RunID: RESET, Status: 'Running', StartTime: NOW } as BatchRecord['batch'];
  return { batch, runs, events, alerts: [] };
}

const success = (RunID: string, EventTime: string, RowsProcessed: number): PipelineEvent =>
  event({ LogID: 1, RunID }, { EventTime, RowsProcessed });
const start = runStart({ RunID: RESET, OriginalRunID: FIRST });
const history = {
  ...runHistory(start, {}, [
    {
      kept: true,
      end: { type: 'success', time: EARLY, error: undefined, retryStatus: null, counts: {} },
    },
  ]),
  baseRunID: BASE,
};
const rowsOf = (events: PipelineEvent[]) => settleRun(recordWith(events), history, NOW).batch.RowsProcessed;

it('counts a kept step as the run that it was reset from did it, not as another reset did it later', () => {
  expect(rowsOf([success(BASE, EARLY, 1), success(SIBLING, LATER, 100)])).toBe(1);
});

it('counts a step that the base run itself had kept as the run did it whose end Temporal tells', () => {
  expect(rowsOf([success(FIRST, EARLY, 1), success(SIBLING, LATER, 100)])).toBe(1);
  expect(rowsOf([success(SIBLING, LATER, 100), success(FIRST, EARLY, 1)])).toBe(1);
});
