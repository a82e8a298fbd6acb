#!/usr/bin/env node
import { allowClosedPipe } from './output.js';
import { runCli } from './program.js';

allowClosedPipe();
process.exitCode = await runCli(process.argv);
// A worker that could not start never lets go of its connection, which would keep this process alive.
if (process.exitCode !== 0) process.stderr.write('', () => process.exit());
