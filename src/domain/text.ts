import { redact } from './redact.js';

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** A text that every engine stores and gives back unchanged: no NUL, no half surrogate pairs, no passwords in URLs. */
export function storable(text: string): string {
  return redact(text).replaceAll('\0', '\u2400').replace(LONE_SURROGATE, '\uFFFD');
}

/** A text that is no longer than that; of a longer one the beginning, and where the whole of it is. */
export function shortened(text: string, longest: number, whole: string): string {
  if (text.length <= longest) return text;
  return `${cut(text, longest)}… (shortened from ${text.length} characters; the whole text is in ${whole})`;
}

/** The beginning of a text, with no half of a surrogate pair at its end. */
export function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
}
