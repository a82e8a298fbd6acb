/**
 * A script, run by `officialDownload.ts`: lets Temporal's own SDK download the CLI into the folder that the argument
 * names. A process of its own, because a download that hangs can't be called off inside one, and because the SDK's
 * Runtime, which the caller may want to set up itself, is a singleton.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [downloadDir = ''] = process.argv.slice(2);
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
