import type { Engine } from '../contract.js';
import { openAuditReader } from './auditReader.js';
import { openAuditStore } from './auditStore.js';

export const engine: Engine = {
  schemes: ['sqlite'],
  openAuditStore,
  openAuditReader,
  openWarehouse: () => Promise.reject(new Error('being written')),
};
