/**
 * Checks data from outside (workflow input, configuration) against a shape, and says in one sentence what is wrong.
 * Own code instead of a schema library because it also runs in the workflow isolate, where every imported byte is
 * evaluated for every run.
 */
import { redact } from './redact.js';

export type Check<T> = (value: unknown, at: string) => T;

export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
  const redacted = redact(text);
  return redacted.length > 120 ? `${redacted.slice(0, 117)}…` : redacted;
}

function expected(what: string, value: unknown, at: string): never {
  throw new ShapeError(`${at} must be ${what}, not ${show(value)}`);
}

export const text: Check<string> = (value, at) =>
  typeof value === 'string' && value.trim() !== '' ? value : expected('a text', value, at);

export const flag: Check<boolean> = (value, at) =>
  typeof value === 'boolean' ? value : expected('true or false', value, at);

export const positive: Check<number> = (value, at) =>
  Number.isSafeInteger(value) && (value as number) > 0
    ? (value as number)
    : expected('a whole number above 0', value, at);

export function oneOf<const T extends string>(...choices: readonly T[]): Check<T> {
  return (value, at) =>
    choices.includes(value as T) ? (value as T) : expected(`one of ${choices.join(', ')}`, value, at);
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, at) => (value === undefined || value === null ? undefined : check(value, at));
}

export function listOf<T>(check: Check<T>): Check<T[]> {
  return (value, at) =>
    Array.isArray(value) && value.length > 0
      ? value.map((item, index) => check(item, `${at}[${index}]`))
      : expected('a list with at least one entry', value, at);
}

export function mapOf<T>(check: Check<T>): Check<Record<string, T>> {
  return (value, at) =>
    isRecord(value)
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, check(item, `${at}.${key}`)]))
      : expected('a set of names with values', value, at);
}

type Shape = Record<string, Check<unknown>>;
type Checked<S extends Shape> = { [K in keyof S]: ReturnType<S[K]> };

/** Every key is known, and every known key passes its check. */
export function object<S extends Shape>(shape: S): Check<Checked<S>> {
  const known = Object.keys(shape);
  return (value, at) => {
    if (!isRecord(value)) return expected(`an object with ${known.join(', ')}`, value, at);
    const unknown = Object.keys(value).find((key) => !Object.hasOwn(shape, key));
    if (unknown !== undefined) {
      throw new ShapeError(`${at} has the unknown key ${show(unknown)}. Known keys: ${known.join(', ')}`);
    }
    return Object.fromEntries(
      known.map((key) => [key, shape[key]!(value[key], `${at}.${key}`)]),
    ) as Checked<S>;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
