import { describe, expect, it } from 'vitest';
import {
  flag,
  listOf,
  mapOf,
  object,
  oneOf,
  optional,
  ShapeError,
  show,
  text,
} from '../../src/domain/shape.js';

const shape = object({
  name: text,
  strict: optional(flag),
  mode: optional(oneOf('fast', 'safe')),
  tables: listOf(object({ from: text })),
  limits: optional(mapOf(flag)),
});

function refusal(value: unknown): string {
  try {
    shape(value, 'input');
  } catch (error) {
    expect(error).toBeInstanceOf(ShapeError);
    return (error as Error).message;
  }
  return 'accepted';
}

describe('object', () => {
  it('gives back what fits, with null read as not given', () => {
    const value = { name: 'a', strict: null, mode: 'safe', tables: [{ from: 'x' }], limits: { a: true } };
    expect(shape(value, 'input')).toEqual({ ...value, strict: undefined });
  });

  const tables = [{ from: 'x' }];
  it.each([
    [undefined, 'input must be an object with name, strict, mode, tables, limits, not nothing'],
    [[], 'input must be an object with name, strict, mode, tables, limits, not []'],
    [{ tables }, 'input.name must be a text, not nothing'],
    [{ name: ' ', tables }, 'input.name must be a text, not " "'],
    [{ name: 5, tables }, 'input.name must be a text, not 5'],
    [{ name: 'a', tables: [] }, 'input.tables must be a list with at least one entry, not []'],
    [{ name: 'a', tables: 'x' }, 'input.tables must be a list with at least one entry, not "x"'],
    [{ name: 'a', tables: [{ from: 'x' }, {}] }, 'input.tables[1].from must be a text, not nothing'],
    [
      { name: 'a', tables: [{ from: 'x', 2: 1 }] },
      'input.tables[0] has the unknown key "2". Known keys: from',
    ],
    [{ name: 'a', tables, strict: 'yes' }, 'input.strict must be true or false, not "yes"'],
    [{ name: 'a', tables, mode: 'slow' }, 'input.mode must be one of fast, safe, not "slow"'],
    [{ name: 'a', tables, limits: { x: 1 } }, 'input.limits.x must be true or false, not 1'],
    [{ name: 'a', tables, limits: [true] }, 'input.limits must be a set of names with values, not [true]'],
    [
      { name: 'a', tables, nmae: 'b' },
      'input has the unknown key "nmae". Known keys: name, strict, mode, tables, limits',
    ],
    [
      JSON.parse('{"name":"a","__proto__":{}}'),
      'input has the unknown key "__proto__". Known keys: name, strict, mode, tables, limits',
    ],
    [
      { name: 'a', tables, constructor: 1 },
      'input has the unknown key "constructor". Known keys: name, strict, mode, tables, limits',
    ],
  ])('refuses %j', (value, message) => {
    expect(refusal(value)).toBe(message);
  });
});

describe('show', () => {
  it('hides a password and cuts what is long', () => {
    expect(show('mssql://sa:Secret1@host/db')).toBe('"mssql://sa:***@host/db"');
    expect(show('x'.repeat(500))).toHaveLength(118);
  });
});
