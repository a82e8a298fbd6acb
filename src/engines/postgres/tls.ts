/**
 * TLS as libpq's `sslmode` has it, and psql with it. The driver reads these words in its own way (it checks the
 * certificate with `require`), warns that its next version will not, and so is given the settings instead of the words.
 */
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { BadConfig } from '../../domain/errors.js';

type Parameters = Readonly<Record<string, string>>;

const MODES = ['disable', 'require', 'no-verify', 'verify-ca', 'verify-full'];

/** Undefined where the URL says nothing about TLS: the driver looks at PGSSLMODE then. */
export function readTls(parameters: Parameters, label: string): pg.ClientConfig['ssl'] {
  const { sslmode, sslrootcert, sslcert, sslkey } = parameters;
  if (sslmode === undefined && !sslrootcert && !sslcert && !sslkey) return undefined;
  const mode = sslmode ?? 'verify-full';
  if (!MODES.includes(mode)) {
    // `prefer` and `allow` mean a second connection without TLS, which the driver does not try.
    throw new BadConfig(
      `The URL of ${label} has sslmode=${mode}, which is not possible here. Use ${MODES.join(', ')}`,
    );
  }
  if (mode === 'disable') return false;
  if (Boolean(sslcert) !== Boolean(sslkey)) {
    throw new BadConfig(
      `The URL of ${label} has only one of sslcert and sslkey. Name both files, or none of them`,
    );
  }
  if (mode === 'verify-ca' && !sslrootcert) {
    throw new BadConfig(
      `The URL of ${label} has sslmode=verify-ca, which needs sslrootcert=<file of the CA>. ` +
        'For a certificate of a public CA use sslmode=verify-full',
    );
  }
  const read = (name: string): string | undefined => readFile(name, parameters[name], label);
  return {
    ca: read('sslrootcert'),
    cert: read('sslcert'),
    key: read('sslkey'),
    ...checksOf(mode, Boolean(sslrootcert)),
  };
}

function checksOf(
  mode: string,
  hasRoot: boolean,
): { rejectUnauthorized?: false; checkServerIdentity?: () => undefined } {
  if (mode === 'verify-full') return {};
  // With a CA, libpq takes `require` for `verify-ca`: the host's name may differ, the CA may not.
  if (mode === 'verify-ca' || (mode === 'require' && hasRoot))
    return { checkServerIdentity: () => undefined };
  return { rejectUnauthorized: false };
}

function readFile(parameter: string, path: string | undefined, label: string): string | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadConfig(
      `The file ${path} (${parameter} in the URL of ${label}) can't be read (${code}). Correct it`,
      {
        cause: error,
      },
    );
  }
}
