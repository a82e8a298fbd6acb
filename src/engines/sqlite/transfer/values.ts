/** SQLite's values as fields of the staging dialect, and back. */
import type { Column, ColumnType } from '../../../domain/columnType.js';
import { describeType } from '../../../domain/columnType.js';
import { BadInput } from '../../../domain/errors.js';
import { show } from '../../../domain/shape.js';
import type { SqlValue } from '../../../domain/table.js';
import type { Field } from '../../shared/csvWriter.js';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$|^[+-]?Infinity$|^NaN$/i;

/**
 * SQLite lets any value into any column. One that is not of the column's type is an error here, because another engine
 * would make something else of it, or refuse it much later.
 */
export function fieldWriter({ name, type }: Column, table: string): (value: SqlValue) => Field {
  const write = writerFor(type);
  return (value) => {
    if (value === null) return null;
    const field = write(value);
    if (field !== undefined) return field;
    throw new BadInput(
      `${table}: the column ${name} is ${describeType(type)} and holds ${showValue(value)}. Mend the value, or read it through a view that casts it`,
    );
  };
}

export function showValue(value: SqlValue): string {
  if (value instanceof Uint8Array) return 'a BLOB';
  return typeof value === 'bigint' ? String(value) : show(value);
}

type Writer = (value: Exclude<SqlValue, null>) => string | undefined;

function writerFor(type: ColumnType): Writer {
  switch (type.kind) {
    case 'boolean':
      return (value) => (value === 1n ? 't' : value === 0n ? 'f' : undefined);
    case 'integer':
      return (value) => (typeof value === 'bigint' ? String(value) : undefined);
    case 'float':
      return numberText;
    case 'decimal':
      return (value) => {
        const text = numberText(value);
        return text !== undefined && hasRoom(text, type) ? text : undefined;
      };
    case 'bytes':
      return (value) =>
        value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : undefined;
    case 'text':
      return (value) => {
        const text = typeof value === 'string' ? value : numberText(value);
        return text !== undefined && isShort(text, type.length) ? text : undefined;
      };
    case 'date':
    case 'time':
    case 'timestamp':
    case 'interval':
    case 'uuid':
    case 'json':
    case 'array':
      return (value) => (typeof value === 'string' ? value : undefined);
  }
}

function numberText(value: Exclude<SqlValue, null>): string | undefined {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'string' && NUMBER.test(value) ? value : undefined;
}

/** Where there is none, the target would round. */
function hasRoom(text: string, { precision, scale = 0 }: { precision?: number; scale?: number }): boolean {
  const match = precision === undefined ? null : /^[+-]?0*(\d*)(?:\.(\d*?)0*)?$/.exec(text);
  if (!match) return precision === undefined || /^[+-]?(?:NaN|Infinity)$/i.test(text);
  const [, whole = '', fraction = ''] = match;
  return fraction.length <= scale && whole.length <= precision! - scale;
}

function isShort(text: string, length = Infinity): boolean {
  return text.length <= length || [...text].length <= length;
}

/** As many digits as a JavaScript number keeps, whatever they are. */
const SAFE_INTEGER = /^-?\d{1,15}$/;

/**
 * What to bind for a field. A text becomes a number by the column's affinity, without a loss; floats do not. A number costs
 * less than a text.
 */
export function fieldReader(type: ColumnType): (field: string) => SqlValue {
  switch (type.kind) {
    case 'boolean':
      return (field) => (field === 't' ? 1 : 0);
    case 'integer':
      return (field) => (SAFE_INTEGER.test(field) ? Number(field) : field);
    case 'float':
      return (field) => {
        const value = Number(field);
        // SQLite makes NULL of a NaN.
        return Number.isNaN(value) ? field : value;
      };
    case 'bytes':
      return (field) => Buffer.from(field.slice(2), 'hex');
    case 'decimal':
    case 'text':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'interval':
    case 'uuid':
    case 'json':
    case 'array':
      return (field) => field;
  }
}
