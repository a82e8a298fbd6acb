/** The activities of the ready-made workflows, for the connections and the audit that a worker has. */
import type { EltActivities } from '../domain/elt.js';
import type { ReplayActivities } from '../domain/replay.js';
import type { TransferActivities } from '../domain/transfer.js';
import type { AuditReader } from '../engines/contract.js';
import type { Connections } from './connections.js';
import { eltActivities } from './elt.js';
import { replayActivities } from './replay.js';
import { transferActivities } from './transfer.js';

export function createActivities(
  connections: Connections,
  openReader: () => Promise<AuditReader>,
): EltActivities & TransferActivities & ReplayActivities {
  return {
    ...eltActivities(connections),
    ...transferActivities(connections),
    ...replayActivities(openReader),
  };
}
