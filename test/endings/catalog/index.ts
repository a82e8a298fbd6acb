import type { Ending } from '../ending.js';
import { attempts } from './attempts.js';
import { ends } from './ends.js';
import { kinds } from './kinds.js';
import { kills } from './kills.js';
import { links } from './links.js';
import { plugin } from './plugin.js';
import { resets } from './resets.js';
import { volume } from './volume.js';

export const endings: readonly Ending[] = [
  ...attempts,
  ...ends,
  ...links,
  ...resets,
  ...kinds,
  ...plugin,
  ...kills,
  ...volume,
];
