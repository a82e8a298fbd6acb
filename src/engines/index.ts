/** Finds the engine for a URL. Adding an engine is adding its folder and one line here. */
import { BadConfig } from '../domain/errors.js';
import { redact } from '../domain/redact.js';
import type { AuditEngine, Engine } from './contract.js';
import type { Outbox } from './outboxContract.js';

const ENGINES: Record<string, () => Promise<{ engine: Engine }>> = {
  sqlite: () => import('./sqlite/index.js'),
  postgres: () => import('./postgres/index.js'),
  postgresql: () => import('./postgres/index.js'),
  mssql: () => import('./mssql/index.js'),
  snowflake: () => import('./snowflake/index.js'),
  file: () => import('./file/index.js'),
  s3: () => import('./s3/index.js'),
};

/** The engine of an audit's URL. */
export async function engineFor(url: string, at: string): Promise<AuditEngine> {
  const { openAuditStore, openAuditReader, migrationScript } = await anyEngineFor(url, at);
  if (openAuditStore && openAuditReader && migrationScript) {
    return { openAuditStore, openAuditReader, migrationScript };
  }
  throw new BadConfig(`${at}: ${url.split(':')[0]}: can't keep an audit. Use a sqlite: URL, or a database's`);
}

/** The engine of a connection's URL, whatever it can do. */
export async function anyEngineFor(url: string, at: string): Promise<Engine> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  const load = Object.hasOwn(ENGINES, scheme) ? ENGINES[scheme] : undefined;
  if (!load) {
    const known = Object.keys(ENGINES).map((name) => `${name}:`);
    throw new BadConfig(
      `${at}: no engine for ${JSON.stringify(redact(url))}. The URL must start with ${known.join(' or ')}`,
    );
  }
  return (await load()).engine;
}

/** The outbox in this file, whatever the engine of the store that it is for. */
export async function openOutbox(file: string): Promise<Outbox> {
  return (await import('./sqlite/index.js')).openOutbox(file);
}
