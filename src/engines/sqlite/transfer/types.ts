/**
 * The types that SQLite columns declare. SQLite itself only looks for some letters in them (their affinity) and takes any
 * value, so a name is chosen here by what it makes SQLite do: DECIMAL_TEXT keeps all digits of a number, where DECIMAL
 * would make a float of it.
 */
import type { ColumnType } from '../../../domain/columnType.js';

/** What a float keeps of a decimal number, whatever its digits are. */
const FLOAT_DIGITS = 15;

export function declaredType(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
      return 'INTEGER';
    case 'float':
      return 'DOUBLE';
    case 'decimal': {
      const { precision, scale = 0 } = type;
      if (precision === undefined) return 'DECIMAL_TEXT';
      return `${precision <= FLOAT_DIGITS ? 'DECIMAL' : 'DECIMAL_TEXT'}(${precision}, ${scale})`;
    }
    case 'text':
      return type.length === undefined ? 'TEXT' : `VARCHAR(${type.length})`;
    case 'timestamp':
      return type.zone ? 'TIMESTAMPTZ' : 'TIMESTAMP';
    case 'bytes':
      return 'BLOB';
    case 'array':
      return 'TEXT';
    case 'json':
      return 'JSON_TEXT';
    case 'boolean':
    case 'date':
    case 'time':
    case 'interval':
    case 'uuid':
      return type.kind.toUpperCase();
  }
}

const BY_NAME: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: { kind: 'boolean' },
  BOOL: { kind: 'boolean' },
  DATE: { kind: 'date' },
  TIME: { kind: 'time' },
  DATETIME: { kind: 'timestamp', zone: false },
  TIMESTAMP: { kind: 'timestamp', zone: false },
  TIMESTAMPTZ: { kind: 'timestamp', zone: true },
  INTERVAL: { kind: 'interval' },
  UUID: { kind: 'uuid' },
  JSON_TEXT: { kind: 'json' },
};

/** What a column of this type is taken for. One without a type, or with a type of another's making, is read as text. */
export function typeOf(declared: string | null): ColumnType {
  const match = /^\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$/.exec(declared ?? '');
  const name = (match?.[1] ?? '').toUpperCase();
  const [first, second] = [match?.[2], match?.[3]].map((digits) =>
    digits === undefined ? undefined : Number(digits),
  );
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (known) return known;
  // By SQLite's own rules from here on, in their order.
  if (name.includes('INT')) return { kind: 'integer', bits: 64 };
  if (/^(DECIMAL_TEXT|DECIMAL|NUMERIC)$/.test(name)) {
    return first === undefined
      ? { kind: 'decimal' }
      : { kind: 'decimal', precision: first, scale: second ?? 0 };
  }
  if (/CHAR|CLOB|TEXT/.test(name))
    return first === undefined ? { kind: 'text' } : { kind: 'text', length: first };
  if (name.includes('BLOB')) return { kind: 'bytes' };
  if (/REAL|FLOA|DOUB/.test(name)) return { kind: 'float', bits: 64 };
  return { kind: 'text' };
}
