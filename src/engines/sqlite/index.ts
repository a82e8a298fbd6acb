import type { Engine } from '../contract.js';
import { openAuditReader } from './auditReader.js';
import { openAuditStore } from './auditStore.js';
import { openWarehouse } from './warehouse.js';

export const engine: Engine = { schemes: ['sqlite'], openAuditStore, openAuditReader, openWarehouse };
