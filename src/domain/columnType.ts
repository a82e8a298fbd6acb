/**
 * What a column holds, in words that no engine owns. Each engine maps its own types to these and back; docs/transfers.md
 * has the table.
 */
export type ColumnType =
  | { readonly kind: 'boolean' | 'bytes' | 'date' | 'time' | 'interval' | 'uuid' | 'json' }
  | { readonly kind: 'integer'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  /** Without a precision it takes any number of digits. */
  | { readonly kind: 'decimal'; readonly precision?: number; readonly scale?: number }
  /** Without a length it takes any. The length counts characters. */
  | { readonly kind: 'text'; readonly length?: number }
  | { readonly kind: 'timestamp'; readonly zone: boolean }
  | { readonly kind: 'array'; readonly of: ColumnType };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export const ANY_TEXT: ColumnType = { kind: 'text' };

/** Whether a column of the target's type takes every value of the source's, so that nothing is cut or rounded. */
export function fits(source: ColumnType, target: ColumnType): boolean {
  if (target.kind === 'text') {
    const { length = Infinity } = target;
    return length === Infinity || (source.kind === 'text' && (source.length ?? Infinity) <= length);
  }
  if (target.kind === 'decimal') return fitsDecimal(source, target);
  if (source.kind !== target.kind) return false;
  if ('of' in source && 'of' in target) return fits(source.of, target.of);
  if ('bits' in source && 'bits' in target) return source.bits <= target.bits;
  return !('zone' in source && 'zone' in target) || source.zone === target.zone;
}

/** Digits of the largest integer of so many bits. */
const INTEGER_DIGITS = { 16: 5, 32: 10, 64: 19 };

function fitsDecimal(
  source: ColumnType,
  { precision, scale = 0 }: { precision?: number; scale?: number },
): boolean {
  if (source.kind !== 'decimal' && source.kind !== 'integer') return false;
  if (precision === undefined) return true;
  const digits = source.kind === 'integer' ? INTEGER_DIGITS[source.bits] : source.precision;
  const fraction = source.kind === 'integer' ? 0 : (source.scale ?? 0);
  return digits !== undefined && fraction <= scale && digits - fraction <= precision - scale;
}

/** As people read it: `decimal(10, 2)`, `integer (64 bits)`. */
export function describeType(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
    case 'float':
      return `${type.kind} (${type.bits} bits)`;
    case 'decimal':
      return type.precision === undefined ? 'decimal' : `decimal(${type.precision}, ${type.scale ?? 0})`;
    case 'text':
      return type.length === undefined ? 'text' : `text(${type.length})`;
    case 'timestamp':
      return type.zone ? 'timestamp with zone' : 'timestamp without zone';
    case 'array':
      return `array of ${describeType(type.of)}`;
    case 'boolean':
    case 'bytes':
    case 'date':
    case 'time':
    case 'interval':
    case 'uuid':
    case 'json':
      return type.kind;
  }
}
