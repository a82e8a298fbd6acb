import type { Engine } from '../contract.js';
import { openAuditReader } from './auditReader.js';
import { openAuditStore } from './auditStore.js';
import { migrationScript } from './migrations.js';

export const engine = { openAuditStore, openAuditReader, migrationScript } satisfies Engine;
