import { redact } from './redact.js';

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** A text that every engine stores and gives back unchanged: no NUL, no half surrogate pairs, no passwords in URLs. */
export function storable(text: string): string {
  return redact(text).replaceAll('\0', '\u2400').replace(LONE_SURROGATE, '\uFFFD');
}

/** The beginning of a text, with no half of a surrogate pair at its end. */
export function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
}
