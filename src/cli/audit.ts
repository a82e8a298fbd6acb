/** Opens the audit for the commands that read it. */
import type { Config } from '../config.js';
import type { AuditReader } from '../engines/contract.js';
import { engineFor } from '../engines/index.js';

export async function withAuditReader<T>(
  config: Config,
  work: (reader: AuditReader) => Promise<T>,
): Promise<T> {
  const engine = await engineFor(config.audit.url, 'audit.url');
  const reader = await engine.openAuditReader(config.audit);
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}
