import type { Engine } from '../contract.js';
import { openStaging } from './staging.js';

export const engine = { openStaging } satisfies Engine;
