import { expect, it } from 'vitest';
import type { PlannedReplay } from '../../src/cli/planReplay.js';
import { formatPlans } from '../../src/cli/showPlans.js';

const orders = { connection: 'dwh', table: 'DWH.Orders' };
const customers = { connection: 'dwh', table: 'DWH.Customers' };
const archived = { connection: 'archive', table: 'DWH.Orders' };

function planned(batchId: number, more: object = {}): PlannedReplay {
  return { batchId, pipeline: 'Orders', from: 'start', step: null, input: '{"day":1}', ...more };
}

it('a row for each replay says which rows it would replace, of all batches of its chain, by table and connection', () => {
  const plans = [
    planned(7, {
      replaces: [
        { ...orders, rows: 800 },
        { ...orders, rows: 30 },
        { ...customers, rows: 91 },
        { ...archived, rows: 5 },
      ],
    }),
    planned(1234, { replaces: [] }),
  ];
  expect(formatPlans(plans, 160)).toBe(
    [
      'LogID  PipelineName  From   Input      Replaces',
      '    7  Orders        start  {"day":1}  DWH.Orders on dwh: 830 rows, DWH.Customers on dwh: 91 rows, DWH.Orders on archive: 5 rows',
      ' 1234  Orders        start  {"day":1}',
    ].join('\n'),
  );
});

it('what differs from the failed run has a column where there is such a thing, and who is refused a line below', () => {
  const plans: PlannedReplay[] = [
    planned(7, { replaces: [{ ...orders, rows: 830 }], note: 'memo not restored' }),
    { batchId: 8, refused: 'Batch 8 still\nruns' },
    planned(9, { from: 'failure', step: 'load', replaces: [] }),
  ];
  expect(formatPlans(plans, 160)).toBe(
    [
      'LogID  PipelineName  From           Input      Replaces                     Note',
      '    7  Orders        start          {"day":1}  DWH.Orders on dwh: 830 rows  memo not restored',
      '    9  Orders        failure: load  {"day":1}',
      '8  refused: Batch 8 still runs',
    ].join('\n'),
  );
});

it('has no table where all are refused, and leaves out what could not be asked', () => {
  expect(formatPlans([{ batchId: 8, refused: 'Batch 8 still runs' }], 160)).toBe(
    '8  refused: Batch 8 still runs',
  );
  expect(formatPlans([planned(7)], 160)).toBe(
    ['LogID  PipelineName  From   Input      Replaces', '    7  Orders        start  {"day":1}'].join('\n'),
  );
});
