/** The activities of the ready-made workflows, for the connections and the audit that a worker has. */
import type { EltActivities } from '../domain/elt.js';
import type { PurgeActivities } from '../domain/purge.js';
import type { ReplayActivities } from '../domain/replay.js';
import type { TransferActivities } from '../domain/transfer.js';
import type { Connections } from './connections.js';
import { eltActivities } from './elt.js';
import type { OwnAudit } from './purge.js';
import { purgeActivities } from './purge.js';
import { replayActivities } from './replay.js';
import { transferActivities } from './transfer.js';

export function createActivities(
  connections: Connections,
  audit: OwnAudit,
): EltActivities & TransferActivities & ReplayActivities & PurgeActivities {
  return {
    ...eltActivities(connections),
    ...transferActivities(connections),
    ...replayActivities(() => audit.openReader()),
    ...purgeActivities(connections, audit),
  };
}
