/** What commands write to stdout. */
import { styleText } from 'node:util';

const WIDTH_OF_A_PIPE = 120;

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One JSON document; nothing else may be printed beside it. */
export function printJson(value: unknown): void {
  print(toJson(value, 2));
}

export function toJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, jsonValue, indent);
  // JSON leaves these control characters as they are, but a terminal obeys them.
  return json.replace(/[\u007f-\u009f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** JSON knows no integers above 2^53, no bytes and no infinity: they become texts rather than something false. */
function jsonValue(this: Record<string, unknown>, key: string): unknown {
  const value = this[key]; // not the second argument: a Buffer is already a list of numbers there
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return value;
}

export function outputWidth(): number {
  return process.stdout.columns ?? WIDTH_OF_A_PIPE;
}

export type Style = Parameters<typeof styleText>[0];

/** Colours a text where somebody can see it. */
export function painted(style: Style, text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text;
}

/** A reader that has seen enough (`| head`) is no failure, and no reason to leave work half done. */
export function allowClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
