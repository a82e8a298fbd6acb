/** Starts a server, says where it is, and then ends, or waits for its end, in the way that the argument names. */
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { startDevServer } from '../../src/dev/devServer.js';

const [way] = process.argv.slice(2);

if (way === 'clean shutdown') {
  process.once('SIGINT', () => void shutDown());
}
const server = await startDevServer({ report: () => {} });
console.log(`server ${server.pid} ${server.address}`);

if (way === 'process.exit') process.exit(3);
if (way !== 'natural end') setInterval(() => {}, 1_000);

/** What a worker does on Ctrl-C: for a while it still needs the server. */
async function shutDown(): Promise<void> {
  await delay(500);
  const connection = await Connection.connect({ address: server.address, connectTimeout: 2_000 });
  await connection.close();
  console.log('the server is still there');
  await server.stop();
  process.exit();
}
