/** What tests need to use the test run's own Temporal server. */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { inject } from 'vitest';

export const temporalAddress = (): string => inject('temporalAddress');

/** The path of the Temporal CLI that runs the server. */
export const temporalCli = (): string => inject('temporalCli');

/** A client; whoever asked for it closes `client.connection`. */
export async function connectClient(): Promise<Client> {
  return new Client({ connection: await Connection.connect({ address: temporalAddress() }) });
}

/** A connection for workers; whoever asked for it closes it. */
export function connectWorker(): Promise<NativeConnection> {
  return NativeConnection.connect({ address: temporalAddress() });
}
