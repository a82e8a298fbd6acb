import { describe, expect, it } from 'vitest';
import { checkEltInput } from '../../src/domain/elt.js';

const GOOD = {
  pipeline: 'Sales',
  source: 'erp',
  target: 'dwh',
  tables: [
    { from: 'dbo.Orders', to: 'Staging.stg_Orders' },
    { from: 'dbo.[Order Details]', to: 'Staging.stg_OrderDetails' },
  ],
  transform: 'DWH.TransformSales',
  countTable: 'DWH.Fact_Sales',
};
const KEYS = 'pipeline, source, target, tables, transform, countTable';
const HOW_TO_WRITE =
  'is not a table name. Write schema.table, and put a part with blanks or signs in brackets: dbo.[Order Details]';

function without(key: keyof typeof GOOD): object {
  return Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== key));
}

describe('the input of elt', () => {
  it('is taken when it fits', () => {
    expect(checkEltInput(GOOD)).toEqual(GOOD);
  });

  it.each([
    ['nothing', undefined, `elt input must be an object with ${KEYS}, not nothing`],
    ['a text', 'Sales', `elt input must be an object with ${KEYS}, not "Sales"`],
    ['no source', without('source'), 'elt input.source must be a text, not nothing'],
    ['no target', without('target'), 'elt input.target must be a text, not nothing'],
    ['no pipeline', without('pipeline'), 'elt input.pipeline must be a text, not nothing'],
    ['a wrong type', { ...GOOD, transform: 7 }, 'elt input.transform must be a text, not 7'],
    [
      'a wrong type inside',
      { ...GOOD, tables: [{ from: 5, to: 'Staging.a' }] },
      'elt input.tables[0].from must be a text, not 5',
    ],
    ['an extra key', { ...GOOD, sorce: 'erp' }, `elt input has the unknown key "sorce". Known keys: ${KEYS}`],
    ['no tables', { ...GOOD, tables: [] }, 'elt input.tables must be a list with at least one entry, not []'],
    [
      'a table without a schema',
      { ...GOOD, countTable: 'Fact_Sales' },
      `elt input.countTable: "Fact_Sales" ${HOW_TO_WRITE}`,
    ],
    [
      'an injection',
      { ...GOOD, tables: [{ from: 'dbo.[Orders]; DROP TABLE Orders; --', to: 'Staging.a' }] },
      `elt input.tables[0].from: "dbo.[Orders]; DROP TABLE Orders; --" ${HOW_TO_WRITE}`,
    ],
    [
      'one staging table for two sources',
      {
        ...GOOD,
        tables: [
          { from: 'dbo.A', to: 'Staging.a' },
          { from: 'dbo.B', to: '[staging].[A]' },
        ],
      },
      'elt input.tables[1].to: staging.A is the staging table of another entry. Give each its own',
    ],
  ])('%s is refused', (_, input, message) => {
    expect(() => checkEltInput(input)).toThrow(message);
  });
});
