import type { Engine } from '../contract.js';
import { openSource } from './source.js';
import { openStaging } from './staging.js';

export const engine = { openSource, openStaging } satisfies Engine;
