/** One Temporal server for the whole test run: in memory, on a port of its own, whatever TEMPORAL_ADDRESS says. */
import type { TestProject } from 'vitest/node';
import { startDevServer } from '../../src/dev/devServer.js';

declare module 'vitest' {
  interface ProvidedContext {
    temporalAddress: string;
    temporalCli: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startDevServer({ report: (line) => process.stderr.write(`${line}\n`) });
  project.provide('temporalAddress', server.address);
  project.provide('temporalCli', server.executable);
  return () => server.stop();
}
