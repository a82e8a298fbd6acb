import type { BatchStatus } from '../domain/model.js';
import { FAILED_STATUSES } from '../domain/model.js';
import type { Style } from './output.js';

export function statusStyle(status: BatchStatus): Style {
  if (FAILED_STATUSES.includes(status)) return 'red';
  if (status === 'Success') return 'green';
  return status === 'Running' ? 'cyan' : 'yellow';
}
