/** The activities of the ready-made pipelines, for the connections that a worker has. */
import type { EltActivities } from '../domain/elt.js';
import type { Connections } from './connections.js';
import { eltActivities } from './elt.js';

export function createActivities(connections: Connections): EltActivities {
  return eltActivities(connections);
}
