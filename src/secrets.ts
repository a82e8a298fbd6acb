/** The secrets in a configuration, so that texts which are stored or shown can be cleared of them. */
import type { BatchtrailOptions } from './config.js';

/** `scheme://user:password@host`, also where a sign that should have been encoded makes the password hard to see. */
const PASSWORD_OF_USER = [/^[^:]+:\/\/[^:/?#]*:([^/?#]*)@/, /^[^:]+:\/\/[^:/?#]*:(.+)@/];
const SECRET_PARAMETER = /[?&;][a-z0-9_-]*(?:password|passwd|passphrase|pass|pwd|token|secret)=([^&;#]+)/gi;

/** Every password, as it is written in its URL and decoded. */
export function secretsOf(config: BatchtrailOptions): string[] {
  const urls = [config.audit.url, ...Object.values(config.connections ?? {}).map(({ url }) => url)];
  return [...new Set(urls.flatMap(passwordsIn))];
}

function passwordsIn(url: string): string[] {
  const ofUser = PASSWORD_OF_USER.map((pattern) => pattern.exec(url)?.[1]).find(
    (found) => found !== undefined,
  );
  const ofParameters = [...url.matchAll(SECRET_PARAMETER)].map(([, value]) => value);
  const written = [ofUser, ...ofParameters].filter((found) => found !== undefined && found !== '');
  return written.flatMap((found) => [found!, decoded(found!)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % that encodes nothing
  }
}
