/** TCP ports on this machine's loopback address. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { BadInput } from '../domain/errors.js';

export const LOOPBACK = '127.0.0.1';

/** Ports that nobody listens on, all different. Somebody else may still be faster than the caller. */
export async function freePorts(count: number): Promise<number[]> {
  const listeners = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = listeners.map(portOf);
  await Promise.all(listeners.map(close));
  return ports;
}

/** Throws when the port can't be listened on. */
export async function checkPort(port: number): Promise<void> {
  try {
    await close(await listen(port));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const state = code === 'EADDRINUSE' ? 'is taken by another program' : `can't be used (${code})`;
    throw new BadInput(
      `Port ${port} on ${LOOPBACK} ${state}. Name another port, or none: a free one is taken then`,
      {
        cause: error,
      },
    );
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, LOOPBACK);
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
