/** Texts from outside, made safe and short enough for a terminal. */

// Escape sequences can repaint or retitle a terminal, bidi marks can reorder what it shows.
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
const CONTROL_PICTURES = 0x2400;

/** Makes control characters visible; line breaks and tabs stay. */
export function clean(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROL, (sign) => {
    if (sign === '\n' || sign === '\t') return sign;
    const code = sign.codePointAt(0)!;
    if (code < 0x20) return String.fromCodePoint(CONTROL_PICTURES + code);
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

export function oneLine(text: string): string {
  return clean(text.replace(/\s+/g, ' ').trim());
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
const graphemes = new Intl.Segmenter('en');

/** The number of terminal cells that a text takes. */
export function cells(text: string): number {
  let sum = 0;
  for (const { segment } of graphemes.segment(text)) sum += cellsOf(segment);
  return sum;
}

function cellsOf(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

/** The text, cut with … where it takes more than `width` cells. */
export function shorten(text: string, width: number): string {
  if (cells(text) <= width) return text;
  let short = '';
  let left = width - 1;
  for (const { segment } of graphemes.segment(text)) {
    left -= cellsOf(segment);
    if (left < 0) break;
    short += segment;
  }
  return `${short.trimEnd()}…`;
}
