/** The connection to Temporal, as Temporal's own environment variables and configuration file name it. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { DevServer } from '../dev/devServer.js';
import { BadConfig } from '../domain/errors.js';

const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_NAMESPACE = 'default';

export interface TemporalPlace {
  readonly connection: NativeConnection;
  readonly address: string;
  readonly namespace: string;
}

export async function connectToTemporal(): Promise<TemporalPlace> {
  const { connectionOptions, namespace = DEFAULT_NAMESPACE } = loadClientConnectConfig();
  const { address = DEFAULT_ADDRESS } = connectionOptions;
  try {
    return { connection: await NativeConnection.connect(connectionOptions), address, namespace };
  } catch (error) {
    throw new BadConfig(
      `Temporal can't be reached at ${address}: ${(error as Error).message}. Start one with batchtrail dev, or set TEMPORAL_ADDRESS`,
      { cause: error },
    );
  }
}

/** Whether the commands that ask Temporal, with this environment, ask the server at that address. */
export function isAskedByCommands(address: string): boolean {
  try {
    const { connectionOptions } = loadClientConnectConfig();
    return (connectionOptions.address ?? DEFAULT_ADDRESS).replace(/^localhost:/, '127.0.0.1:') === address;
  } catch {
    // A profile that can't be read names no server.
    return false;
  }
}

/** A server of our own, whatever the environment says about the user's. */
export async function connectToDevServer({ address, namespace }: DevServer): Promise<TemporalPlace> {
  return { connection: await NativeConnection.connect({ address }), address, namespace };
}
