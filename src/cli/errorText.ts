/** What stderr says about an error: one line, without secrets. */
import { redact } from '../domain/redact.js';
import { clean, oneLine } from './text.js';

/** The error's message; with DEBUG set, where it came from, too. */
export function errorText(error: unknown, secrets: readonly string[]): string {
  if (error instanceof Error && process.env.DEBUG)
    return clean(withoutSecrets(error.stack ?? String(error), secrets));
  return oneLine(withoutSecrets(error instanceof Error ? error.message : String(error), secrets));
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), redact(text));
}
