/**
 * Passwords in URLs, wherever they turn up in a text: `scheme://user:password@host`. A password may hold any sign but
 * a blank; a port with a path behind it is none. Every part is bounded, so that a long text costs no more than its length.
 */
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:@/?#]{0,200}):(?!\d{1,5}[/?#])\S{1,300}@/gi;
const SECRET_PARAMETER = /([?&;](?:password|passwd|pwd|token|secret|sig)=)[^\s&;"']+/gi;

/** Takes secrets out of a text that is about to be stored, logged or shown. */
export function redact(text: string): string {
  if (!text.includes('://')) return text;
  return text.replace(URL_PASSWORD, '$1:***@').replace(SECRET_PARAMETER, '$1***');
}
