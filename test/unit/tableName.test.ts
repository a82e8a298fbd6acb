import { describe, expect, it } from 'vitest';
import { formatTableName, parseTableName } from '../../src/domain/table.js';

describe('parseTableName', () => {
  it.each([
    ['dbo.Orders', 'dbo', 'Orders'],
    ['dbo.[Order Details]', 'dbo', 'Order Details'],
    ['"dbo"."Order Details"', 'dbo', 'Order Details'],
    ['[my.schema].[a]]b]', 'my.schema', 'a]b'],
    ['dbo."say ""hi"""', 'dbo', 'say "hi"'],
    ['Größe.Übersicht_2', 'Größe', 'Übersicht_2'],
    ['dbo.[注文]', 'dbo', '注文'],
    ['dbo.[Orders]]; DROP TABLE Orders; --]', 'dbo', 'Orders]; DROP TABLE Orders; --'],
  ])('takes %s apart', (text, schema, name) => {
    expect(parseTableName(text, 'from')).toEqual({ schema, name });
  });

  it.each([
    'Orders',
    'dbo.',
    '.Orders',
    'a.b.c',
    'dbo.Order Details',
    'dbo.[Orders]; DROP TABLE Orders; --',
    'dbo.Orders]; DROP TABLE Orders; --',
    "dbo.Orders'",
    'dbo.2fast',
    'dbo.[]',
    'dbo.[a\0b]',
    'dbo.[a\nb]',
    ' dbo.Orders',
  ])('refuses %j and says how to write it', (text) => {
    expect(() => parseTableName(text, 'elt input.tables[0].from')).toThrow(
      `elt input.tables[0].from: ${JSON.stringify(text)} is not a table name. ` +
        'Write schema.table, and put a part with blanks or signs in brackets: dbo.[Order Details]',
    );
  });
});

describe('formatTableName', () => {
  it.each(['dbo.Orders', 'dbo.[Order Details]', '[my.schema].[a]]b]', 'Größe.[注 文]'])(
    'writes %s as it was read',
    (text) => {
      expect(formatTableName(parseTableName(text, 'from'))).toBe(text);
    },
  );
});
