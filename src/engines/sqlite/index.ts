import type { Engine } from '../contract.js';
import { openAuditReader } from './auditReader.js';
import { openAuditStore } from './auditStore.js';
import { migrationScript } from './migrate.js';
import { openTargetReader } from './targetReader.js';
import { openSource } from './transfer/source.js';
import { openTarget } from './transfer/target.js';
import { openWarehouse } from './warehouse.js';

export { openOutbox } from './outbox.js';

export const engine = {
  openAuditStore,
  openAuditReader,
  migrationScript,
  openWarehouse,
  openSource,
  openTarget,
  openTargetReader,
} satisfies Engine;
