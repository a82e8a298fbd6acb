/** What the URLs of servers have in common: how they may be shown, and what is wrong with those that can't be read. */
import { BadConfig } from '../../domain/errors.js';

/** `example` is how such a URL is written. */
export function malformedUrl(url: string, example: string, cause?: unknown): BadConfig {
  return new BadConfig(`${JSON.stringify(shown(url))} is not a URL that can be read. Write ${example}`, {
    cause,
  });
}

/** As far as it is sure to hold no secret: where a password ends is not. */
function shown(url: string): string {
  const [, scheme = '', , rest = ''] = /^([a-z]{0,30}):\/\/(.*@)?(.*)$/is.exec(url) ?? [];
  // Without an @ the password may stand where the host should be.
  return url.includes('@') ? `${scheme}://***@${rest.replace(/\?.*/s, '?…')}` : `${scheme}://…`;
}

export function decodedPart(part: string, malformed: (cause: unknown) => BadConfig): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw malformed(error);
  }
}

export function unknownParameter(name: string, known: readonly string[], label: string): BadConfig {
  return new BadConfig(
    `The URL of ${label} has the parameter ${JSON.stringify(name)}, which is unknown. Take it out; known are ${known.join(', ')}`,
  );
}
