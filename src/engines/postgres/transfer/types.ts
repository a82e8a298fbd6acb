/** PostgreSQL's types, as `format_type` writes them. Those that no other engine knows are texts: enums, ranges, inet … */
import type { ColumnType } from '../../../domain/columnType.js';

const BY_NAME: Readonly<Record<string, ColumnType>> = {
  boolean: { kind: 'boolean' },
  smallint: { kind: 'integer', bits: 16 },
  integer: { kind: 'integer', bits: 32 },
  bigint: { kind: 'integer', bits: 64 },
  oid: { kind: 'integer', bits: 64 },
  real: { kind: 'float', bits: 32 },
  'double precision': { kind: 'float', bits: 64 },
  bytea: { kind: 'bytes' },
  date: { kind: 'date' },
  'time without time zone': { kind: 'time' },
  'timestamp without time zone': { kind: 'timestamp', zone: false },
  'timestamp with time zone': { kind: 'timestamp', zone: true },
  interval: { kind: 'interval' },
  uuid: { kind: 'uuid' },
  json: { kind: 'json' },
  jsonb: { kind: 'json' },
};

export function typeOf(formatted: string): ColumnType {
  if (formatted.endsWith('[]')) return { kind: 'array', of: typeOf(formatted.slice(0, -2)) };
  const match = /^([^(]+?)(?:\((\d+)(?:,(-?\d+))?\))?( with(?:out)? time zone)?$/.exec(formatted);
  const name = `${match?.[1] ?? ''}${match?.[4] ?? ''}`;
  const first = match?.[2] === undefined ? undefined : Number(match[2]);
  if (name === 'numeric') return decimal(first, Number(match?.[3] ?? 0));
  if (name === 'character varying' || name === 'character') {
    return first === undefined ? { kind: 'text' } : { kind: 'text', length: first };
  }
  return Object.hasOwn(BY_NAME, name) ? BY_NAME[name]! : { kind: 'text' };
}

/** A scale below 0, or above the precision, is possible here and nowhere else. */
function decimal(precision: number | undefined, scale: number): ColumnType {
  return precision === undefined || scale < 0 || scale > precision
    ? { kind: 'decimal' }
    : { kind: 'decimal', precision, scale };
}

export function typeName(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
      return { 16: 'smallint', 32: 'integer', 64: 'bigint' }[type.bits];
    case 'float':
      return type.bits === 32 ? 'real' : 'double precision';
    case 'decimal':
      return type.precision === undefined ? 'numeric' : `numeric(${type.precision}, ${type.scale ?? 0})`;
    case 'text':
      return type.length === undefined ? 'text' : `varchar(${type.length})`;
    case 'timestamp':
      return type.zone ? 'timestamp with time zone' : 'timestamp';
    case 'bytes':
      return 'bytea';
    case 'array':
      return `${typeName(type.of)}[]`;
    case 'boolean':
    case 'date':
    case 'time':
    case 'interval':
    case 'uuid':
    case 'json':
      return type.kind;
  }
}
