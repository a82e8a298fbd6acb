import { redact } from './redact.js';

/** A text that every engine stores and gives back unchanged: no NUL, no half surrogate pairs, no passwords in URLs. */
export function storable(text: string): string {
  return redact(text).replaceAll('\0', '\u2400').replace(LONE_SURROGATE, '\uFFFD');
}

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
