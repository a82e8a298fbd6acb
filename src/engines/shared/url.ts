/** A URL that could not be read, as far as it is sure to hold no secret: where its password ends is not. */
export function shownUrl(url: string): string {
  const [, scheme = '', , rest = ''] = /^([a-z]{0,30}):\/\/(.*@)?(.*)$/is.exec(url) ?? [];
  // Without an @ the password may stand where the host should be.
  return url.includes('@') ? `${scheme}://***@${rest.replace(/\?.*/s, '?…')}` : `${scheme}://…`;
}
