/**
 * A script, run by `officialDownload.ts`: lets Temporal's own SDK download the CLI into the folder that the argument
 * names. A process of its own, because a download that hangs can't be called off inside one, and because the SDK's
 * Runtime, which the caller may want to set up itself, is a singleton.
 */
import { createRequire } from 'node:module';

const [downloadDir = ''] = process.argv.slice(2);
// Not `import`: where jiti runs this file, from a checkout, it would transform the whole SDK, which takes a second.
const require = createRequire(import.meta.url);
const { TestWorkflowEnvironment } = require('@temporalio/testing') as typeof import('@temporalio/testing');
try {
  // The SDK can't download without starting the server once.
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir } },
  });
  await environment.teardown();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
