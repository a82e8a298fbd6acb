/** The activities of the ready-made pipelines, for the connections that a worker has. */
import type { EltActivities } from '../domain/elt.js';
import type { TransferActivities } from '../domain/transfer.js';
import type { Connections } from './connections.js';
import { eltActivities } from './elt.js';
import { transferActivities } from './transfer.js';

export function createActivities(connections: Connections): EltActivities & TransferActivities {
  return { ...eltActivities(connections), ...transferActivities(connections) };
}
