/** Passwords in URLs, wherever they turn up in a text: `scheme://user:password@host`. */
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:/?#"'<>]*):[^\s/"'<>]*@/gi;

/** Takes secrets out of a text that is about to be stored, logged or shown. */
export function redact(text: string): string {
  return text.includes('://') ? text.replace(URL_PASSWORD, '$1:***@') : text;
}
