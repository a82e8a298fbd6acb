/**
 * A script, run by `keptProcess.ts` in a Node process of its own: runs one command, and ends it together with everything
 * that it started as soon as the IPC channel closes. The system closes the channel whenever the process at its other
 * end is gone, so no signal, crash or SIGKILL there can leave the command behind.
 */
import { execFile, spawn } from 'node:child_process';

const GRACE_MS = 5_000;
const ON_WINDOWS = process.platform === 'win32';

const [command = '', ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], windowsHide: true });

child.once('spawn', () => process.send?.({ pid: child.pid }));
child.once('error', (error) => finish({ ended: error.message }));
child.once('exit', (code, signal) => finish({ ended: signal ? `signal ${signal}` : `exit code ${code}` }));

process.once('message', stopChild);
process.once('disconnect', stopChild);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stopChild);
// The other end may have gone before anybody listened here.
if (!process.connected) stopChild();

function stopChild(): void {
  if (ON_WINDOWS) {
    // No signals there: the whole tree has to be ended while its root is still known.
    execFile('taskkill', ['/pid', String(child.pid), '/t', '/f'], sweep);
    return;
  }
  child.kill('SIGTERM');
  setTimeout(sweep, GRACE_MS);
}

function finish(message: { ended: string }): void {
  if (process.connected) process.send?.(message, sweep);
  else sweep();
}

/** The keeper leads its process group, so this reaches what the command left behind, and the keeper itself. */
function sweep(): void {
  if (ON_WINDOWS) process.exit();
  process.kill(-process.pid, 'SIGKILL');
}
