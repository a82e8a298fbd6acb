import { BadConfig, BadInput } from '../domain/errors.js';
import { show } from '../domain/shape.js';
import type { Engine } from '../engines/contract.js';
import type { Warehouse } from '../engines/warehouseContract.js';
import { anyEngineFor } from '../engines/index.js';
import type { PlaceOptions, TransferEngine } from '../engines/transferContract.js';

/** The systems that workflow inputs may name. */
export type Connections = Readonly<Record<string, { url: string; scripts?: string | undefined }>>;

/** Opens a connection for as long as `work` runs. */
export async function withWarehouse<T>(
  connections: Connections,
  name: string,
  work: (warehouse: Warehouse) => Promise<T>,
): Promise<T> {
  const connection = connectionOf(connections, name);
  const at = `connections.${name}.url`;
  const engine = await anyEngineFor(connection.url, at);
  if (!engine.openWarehouse) {
    throw new BadConfig(
      `${at}: ${schemeOf(connection.url)} can't be a source or target of the pipeline elt. Use a sqlite: URL, or a transfer`,
    );
  }
  const warehouse = await engine.openWarehouse(connection);
  try {
    return await work(warehouse);
  } finally {
    await warehouse.close();
  }
}

const ROLES = {
  openSource: 'the source of a transfer',
  openStaging: 'the staging area of a transfer',
  openTarget: 'the target of a transfer',
} as const satisfies Partial<Record<keyof TransferEngine, string>>;

type Opened<R extends keyof typeof ROLES> = Awaited<ReturnType<NonNullable<TransferEngine[R]>>>;

/** Opens a connection in one of the roles that a transfer has, for as long as `work` runs. */
export async function withPlace<R extends keyof typeof ROLES, T>(
  connections: Connections,
  { role, name, signal }: { role: R; name: string; signal: AbortSignal },
  work: (place: Opened<R>) => Promise<T>,
): Promise<T> {
  const connection = connectionOf(connections, name);
  const at = `connections.${name}.url`;
  const open = (await anyEngineFor(connection.url, at))[role] as
    ((options: PlaceOptions) => Promise<Opened<R>>) | undefined;
  if (!open) throw new BadConfig(`${at}: ${schemeOf(connection.url)} can't be ${ROLES[role]}`);
  const place = await open({ url: connection.url, signal });
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
