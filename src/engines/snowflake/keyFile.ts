import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BadConfig } from '../../domain/errors.js';

/** The driver says of every fault of a key file the same, or nothing at all; so it is looked at before. */
export function checkKeyFile(path: string, passphrase: string | undefined, label: string): void {
  const at = `The key file ${path} (privateKeyPath in the URL of ${label})`;
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BadConfig(`${at} can't be read (${code}). Correct the path or its rights`, { cause: error });
  }
  const isEncrypted = /ENCRYPTED/.test(pem.toString('latin1'));
  if (isEncrypted && passphrase === undefined) {
    throw new BadConfig(`${at} is encrypted. Add its passphrase to the URL as privateKeyPass`);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw new BadConfig(
      isEncrypted
        ? `${at} can't be decrypted. Correct the passphrase in privateKeyPass`
        : `${at} holds no private key. Name a PEM file that begins with -----BEGIN PRIVATE KEY-----`,
      { cause: error },
    );
  }
  if (key.asymmetricKeyType !== 'rsa') {
    throw new BadConfig(`${at} holds a key of type ${key.asymmetricKeyType}. Snowflake takes RSA keys`);
  }
}
