/** SQL Server's types; how their values are spelled in the staging dialect, and read from it. Both are done by the server. */
import type { ColumnType } from '../../../domain/columnType.js';

export interface DeclaredType {
  readonly type: string;
  readonly precision: number | null;
  readonly scale: number | null;
  /** -1 is any. */
  readonly length: number | null;
}

const MOST_DIGITS = 38;
/** Of an NVARCHAR that is not MAX. */
const MOST_CHARACTERS = 4_000;

const BY_NAME: Readonly<Record<string, ColumnType>> = {
  bit: { kind: 'boolean' },
  tinyint: { kind: 'integer', bits: 16 },
  smallint: { kind: 'integer', bits: 16 },
  int: { kind: 'integer', bits: 32 },
  bigint: { kind: 'integer', bits: 64 },
  money: { kind: 'decimal', precision: 19, scale: 4 },
  smallmoney: { kind: 'decimal', precision: 10, scale: 4 },
  real: { kind: 'float', bits: 32 },
  float: { kind: 'float', bits: 64 },
  uniqueidentifier: { kind: 'uuid' },
  date: { kind: 'date' },
  time: { kind: 'time' },
  datetime: { kind: 'timestamp', zone: false },
  datetime2: { kind: 'timestamp', zone: false },
  smalldatetime: { kind: 'timestamp', zone: false },
  datetimeoffset: { kind: 'timestamp', zone: true },
  binary: { kind: 'bytes' },
  varbinary: { kind: 'bytes' },
  image: { kind: 'bytes' },
  timestamp: { kind: 'bytes' },
  rowversion: { kind: 'bytes' },
};

/** As `INFORMATION_SCHEMA.COLUMNS` has it. Types that only SQL Server has are texts: xml, hierarchyid, geography … */
export function typeOf({ type, precision, scale, length }: DeclaredType): ColumnType {
  if (type === 'decimal' || type === 'numeric') {
    return { kind: 'decimal', precision: precision ?? MOST_DIGITS, scale: scale ?? 0 };
  }
  if (/^n?(var)?char$/.test(type) && length !== null && length > 0) return { kind: 'text', length };
  return Object.hasOwn(BY_NAME, type) ? BY_NAME[type]! : { kind: 'text' };
}

/** What SQL Server has no type for stays the text that was staged. Seven digits of a second are what it has by itself. */
export function typeName(type: ColumnType): string {
  switch (type.kind) {
    case 'boolean':
      return 'BIT';
    case 'integer':
      return { 16: 'SMALLINT', 32: 'INT', 64: 'BIGINT' }[type.bits];
    case 'float':
      return type.bits === 32 ? 'REAL' : 'FLOAT(53)';
    case 'decimal':
      return type.precision === undefined || type.precision > MOST_DIGITS
        ? 'NVARCHAR(MAX)'
        : `DECIMAL(${type.precision}, ${type.scale ?? 0})`;
    case 'text':
      return type.length === undefined || type.length > MOST_CHARACTERS
        ? 'NVARCHAR(MAX)'
        : `NVARCHAR(${type.length})`;
    case 'bytes':
      return 'VARBINARY(MAX)';
    case 'date':
      return 'DATE';
    case 'time':
      return 'TIME';
    case 'timestamp':
      return type.zone ? 'DATETIMEOFFSET' : 'DATETIME2';
    case 'uuid':
      return 'UNIQUEIDENTIFIER';
    case 'interval':
    case 'json':
    case 'array':
      return 'NVARCHAR(MAX)';
  }
}

/** An expression that is NULL for a text that the type does not take. Bytes have come as bytes. */
export function valueOf(type: ColumnType, text: string): string {
  const name = typeName(type);
  if (name === 'NVARCHAR(MAX)' || type.kind === 'bytes') return text;
  if (type.kind === 'boolean')
    return `CASE ${text} WHEN N't' THEN CAST(1 AS BIT) WHEN N'f' THEN CAST(0 AS BIT) END`;
  // TRY_CONVERT would cut it.
  if (type.kind === 'text') return `CASE WHEN DATALENGTH(${text}) <= ${2 * type.length!} THEN ${text} END`;
  if (type.kind === 'timestamp' && type.zone) {
    return `TRY_CONVERT(${name}, CASE WHEN RIGHT(${text}, 3) = N'+00' THEN ${text} + N':00' ELSE ${text} END)`;
  }
  return `TRY_CONVERT(${name}, ${text})`;
}

/** An expression that spells the column's value as the staging dialect does. Bytes are spelled by `hexText`. */
export function textOf(type: ColumnType, column: string): string {
  switch (type.kind) {
    case 'boolean':
      return `CASE ${column} WHEN 1 THEN 't' WHEN 0 THEN 'f' END`;
    case 'float':
      // As many digits as give the same float. Babelfish puts blanks around them.
      return `LTRIM(RTRIM(CONVERT(VARCHAR(40), ${column}, 3)))`;
    case 'decimal':
      // By itself, money would be rounded to two digits behind the point.
      return `CONVERT(VARCHAR(50), CAST(${column} AS DECIMAL(${type.precision}, ${type.scale ?? 0})))`;
    case 'integer':
      return `CONVERT(VARCHAR(20), ${column})`;
    case 'bytes':
      return `CAST(${column} AS VARBINARY(MAX))`;
    case 'date':
      return `CONVERT(VARCHAR(10), ${column}, 23)`;
    case 'time':
      return `CONVERT(VARCHAR(16), ${column}, 121)`;
    case 'timestamp':
      return type.zone
        ? `CONVERT(VARCHAR(27), CAST(SWITCHOFFSET(${column}, '+00:00') AS DATETIME2(7)), 121) + '+00'`
        : `CONVERT(VARCHAR(27), CAST(${column} AS DATETIME2(7)), 121)`;
    case 'uuid':
      return `LOWER(CONVERT(VARCHAR(36), ${column}))`;
    case 'text':
    case 'interval':
    case 'json':
    case 'array':
      return `CONVERT(NVARCHAR(MAX), ${column})`;
  }
}

/** Not done by the server: half as much goes to and fro, and Babelfish can't. */
export function hexText(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString('hex')}`;
}

export function bytesOf(hexText: string): Buffer {
  return Buffer.from(hexText.slice(2), 'hex');
}
