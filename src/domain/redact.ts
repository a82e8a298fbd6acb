/**
 * Passwords in URLs, wherever they turn up in a text: `scheme://user:password@host`. A password may hold any sign but
 * a blank; a port with a path behind it is none. Every part is bounded, so that a long text costs no more than its length.
 */
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:@/?#]{0,200}):(?!\d{1,5}[/?#])\S{1,300}@/gi;
/** `clientSecret=`, `privateKeyPass=`, `X-Amz-Signature=`: the name ends with what it holds. */
const SECRET_PARAMETER =
  /([?&;][a-z0-9_-]{0,40}(?:password|passwd|passphrase|pass|pwd|token|secret|sig|signature)=)[^\s&;"']+/gi;

/** Takes secrets out of a text that is about to be stored, logged or shown. */
export function redact(text: string): string {
  if (!text.includes('://')) return text;
  return text.replace(URL_PASSWORD, '$1:***@').replace(SECRET_PARAMETER, '$1***');
}
