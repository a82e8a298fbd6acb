import { BadConfig, BadInput } from '../domain/errors.js';
import { show } from '../domain/shape.js';
import type { Warehouse } from '../engines/contract.js';
import { engineFor } from '../engines/index.js';

/** The systems that workflow inputs may name. */
export type Connections = Readonly<Record<string, { url: string; scripts?: string | undefined }>>;

/** Opens a connection for as long as `work` runs. */
export async function withWarehouse<T>(
  connections: Connections,
  name: string,
  work: (warehouse: Warehouse) => Promise<T>,
): Promise<T> {
  const connection = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (!connection) throw new BadInput(unknownConnection(connections, name));
  const at = `connections.${name}.url`;
  const engine = await engineFor(connection.url, at);
  if (!engine.openWarehouse) {
    throw new BadConfig(
      `${at}: ${connection.url.split(':')[0]}: can keep an audit, and can't be a source or target of pipelines yet. Use a sqlite: URL`,
    );
  }
  const warehouse = await engine.openWarehouse(connection);
  try {
    return await work(warehouse);
  } finally {
    await warehouse.close();
  }
}

function unknownConnection(connections: Connections, name: string): string {
  const known = Object.keys(connections).join(', ') || 'none';
  return (
    `There is no connection ${show(name)}. This worker's connections: ${known}. ` +
    "Name one of them, or add it under connections in the worker's configuration"
  );
}
