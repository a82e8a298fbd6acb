import { BadConfig, BadInput } from '../domain/errors.js';
import { show } from '../domain/shape.js';
import type { Engine } from '../engines/contract.js';
import { anyEngineFor } from '../engines/index.js';
import type { WarehouseOptions } from '../engines/warehouseContract.js';

/** The systems that workflow inputs may name. */
export type Connections = Readonly<Record<string, { url: string; scripts?: string | undefined }>>;

const ROLES = {
  openSource: 'a source of tables',
  openStaging: 'the staging area of a transfer',
  openTarget: 'the target of a transfer',
  openWarehouse: 'the target of the pipeline elt, because it runs no transforms. Use a transfer',
} as const satisfies Partial<Record<keyof Engine, string>>;

type Opened<R extends keyof typeof ROLES> = Awaited<ReturnType<NonNullable<Engine[R]>>>;

/** Opens a connection in one of the roles that pipelines need, for as long as `work` runs. */
export async function withPlace<R extends keyof typeof ROLES, T>(
  connections: Connections,
  { role, name, signal }: { role: R; name: string; signal: AbortSignal },
  work: (place: Opened<R>) => Promise<T>,
): Promise<T> {
  const connection = connectionOf(connections, name);
  const at = `connections.${name}.url`;
  const open = (await anyEngineFor(connection.url, at))[role] as
    ((options: WarehouseOptions) => Promise<Opened<R>>) | undefined;
  if (!open) throw new BadConfig(`${at}: ${schemeOf(connection.url)} can't be ${ROLES[role]}`);
  const place = await open({ ...connection, signal });
  try {
    return await work(place);
  } finally {
    await place.close();
  }
}

/** The names of the connections that can be opened so. */
export async function connectionsThat(connections: Connections, open: keyof Engine): Promise<string[]> {
  const names: string[] = [];
  for (const [name, { url }] of Object.entries(connections)) {
    if ((await anyEngineFor(url, `connections.${name}.url`))[open]) names.push(name);
  }
  return names;
}

function connectionOf(connections: Connections, name: string): Connections[string] {
  const connection = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (!connection) throw new BadInput(unknownConnection(connections, name));
  return connection;
}

function schemeOf(url: string): string {
  return `${url.split(':')[0]}:`;
}

function unknownConnection(connections: Connections, name: string): string {
  const known = Object.keys(connections).join(', ') || 'none';
  return (
    `There is no connection ${show(name)}. This worker's connections: ${known}. ` +
    "Name one of them, or add it under connections in the worker's configuration"
  );
}
