import { findTemporal } from '../../src/dev/temporalExecutable.js';

console.log(`found ${await findTemporal(console.log)}`);
