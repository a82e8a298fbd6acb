import { expect, it } from 'vitest';
import { SqlTargetReader } from '../../src/engines/shared/targetReader.js';

const dialect = {
  label: 'postgres://host/dwh',
  query: () => Promise.reject(new Error('nothing is asked here')),
  spelled: (name: string) => name.toLowerCase(),
  count: 'COUNT(*)',
  close: () => Promise.resolve(),
};

function found(tables: readonly string[], wanted: string): string | undefined {
  const inDwh = tables.map((name) => ({ name: { schema: 'dwh', name }, batchColumn: 'batchid' }));
  return new SqlTargetReader(dialect, inDwh).find({ schema: 'DWH', name: wanted })?.name.name;
}

it('a table is found as it is spelled, else as the database spells it, else in any case where only one fits', () => {
  expect(found(['orders', 'Orders'], 'Orders')).toBe('orders');
  expect(found(['Orders', 'Sales'], 'ORDERS')).toBe('Orders');
  expect(found(['Orders', 'ORDERS'], 'oRders')).toBeUndefined();
});
