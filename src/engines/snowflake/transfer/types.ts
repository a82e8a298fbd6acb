/** Snowflake's types, and how a staged text becomes a value of one. */
import type { ColumnType } from '../../../domain/columnType.js';

/** What a VARCHAR without a length is said to have, which was less for older columns. */
const ANY_LENGTH = 16_777_216;
const MOST_DIGITS = 38;

export interface DeclaredType {
  readonly type: string;
  readonly precision: number | null;
  readonly scale: number | null;
  readonly length: number | null;
}

const BY_NAME: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: { kind: 'boolean' },
  FLOAT: { kind: 'float', bits: 64 },
  BINARY: { kind: 'bytes' },
  DATE: { kind: 'date' },
  TIME: { kind: 'time' },
  TIMESTAMP_NTZ: { kind: 'timestamp', zone: false },
  TIMESTAMP_TZ: { kind: 'timestamp', zone: true },
  TIMESTAMP_LTZ: { kind: 'timestamp', zone: true },
  VARIANT: { kind: 'json' },
};

/** As `INFORMATION_SCHEMA.COLUMNS` has it; undefined for what transfers can't load. */
export function typeOf({ type, precision, scale, length }: DeclaredType): ColumnType | undefined {
  if (type === 'NUMBER') return { kind: 'decimal', precision: precision ?? MOST_DIGITS, scale: scale ?? 0 };
  if (type === 'TEXT') {
    return length === null || length >= ANY_LENGTH ? { kind: 'text' } : { kind: 'text', length };
  }
  return Object.hasOwn(BY_NAME, type) ? BY_NAME[type] : undefined;
}

/** What Snowflake has no type for stays the text that was staged. */
export function typeName(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
      return 'NUMBER(38,0)';
    case 'float':
      return 'FLOAT';
    case 'decimal':
      return type.precision === undefined || type.precision > MOST_DIGITS
        ? 'VARCHAR'
        : `NUMBER(${type.precision},${type.scale ?? 0})`;
    case 'text':
      return type.length === undefined || type.length >= ANY_LENGTH ? 'VARCHAR' : `VARCHAR(${type.length})`;
    case 'timestamp':
      return type.zone ? 'TIMESTAMP_TZ' : 'TIMESTAMP_NTZ';
    case 'bytes':
      return 'BINARY';
    case 'json':
      return 'VARIANT';
    case 'boolean':
    case 'date':
    case 'time':
      return type.kind.toUpperCase();
    case 'interval':
    case 'uuid':
    case 'array':
      return 'VARCHAR';
  }
}

/** An expression that is NULL for a text that the type does not take. */
export function valueOf(type: ColumnType, text: string): string {
  const name = typeName(type);
  if (name.startsWith('VARCHAR')) return text;
  // Behind \x.
  if (type.kind === 'bytes') return `TRY_TO_BINARY(SUBSTR(${text}, 3), 'HEX')`;
  if (type.kind === 'json') return `TRY_PARSE_JSON(${text})`;
  return `TRY_CAST(${spelled(type, text)} AS ${name})`;
}

/** As Snowflake writes it. */
function spelled(type: ColumnType, text: string): string {
  if (type.kind === 'float') {
    return `CASE ${text} WHEN 'Infinity' THEN 'inf' WHEN '-Infinity' THEN '-inf' ELSE ${text} END`;
  }
  if (type.kind === 'timestamp' && type.zone)
    return `IFF(ENDSWITH(${text}, '+00'), ${text} || ':00', ${text})`;
  return text;
}
