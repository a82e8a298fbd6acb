/** The sample: Northwind's orders as a source, and a warehouse in the audit's folder, so that one SELECT joins both. */
import { join } from 'node:path';
import type { Config } from '../config.js';
import { BadConfig } from '../domain/errors.js';
import { redact } from '../domain/redact.js';
import { folderOf } from '../engines/sqlite/connect.js';
import { makeNorthwind, northwindScripts } from './northwind.js';

/** Where the sample lives. */
export function sampleFolder({ audit }: Config): string {
  if (!audit.url.startsWith('sqlite:')) {
    throw new BadConfig(
      `audit.url: the sample lives beside the audit in SQLite files, and ${redact(audit.url)} is none. Set it to sqlite: and a folder, or use batchtrail worker`,
    );
  }
  return folderOf(audit.url);
}

/** Makes the sample's source, and answers the configuration with the sample's connections in it. */
export async function withSample(config: Config): Promise<Config> {
  const folder = sampleFolder(config);
  const source = join(folder, 'northwind');
  await makeNorthwind(source);
  const connections = {
    northwind: { url: `sqlite:${source}` },
    dwh: { url: `sqlite:${folder}`, scripts: northwindScripts },
    staging: { url: `file:${join(folder, 'staging')}` },
  };
  // The user's own come last: whoever names a connection like the sample's means theirs.
  return { ...config, connections: { ...connections, ...config.connections } };
}
