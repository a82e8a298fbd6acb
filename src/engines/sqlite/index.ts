import type { Engine } from '../contract.js';
import { openAuditReader } from './auditReader.js';
import { openAuditStore } from './auditStore.js';
import { migrationScript } from './migrate.js';
import { openWarehouse } from './warehouse.js';

export { openOutbox } from './outbox.js';

export const engine: Engine = { openAuditStore, openAuditReader, migrationScript, openWarehouse };
