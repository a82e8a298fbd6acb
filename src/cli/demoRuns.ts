/**
 * The runs of the demo: a transfer, and three of the sample's pipeline: one without a fault, one that recovers by a
 * retry, one that runs out of retries. The fault is a real one: another connection's open transaction on the warehouse,
 * which lets nobody else write.
 */
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import { lockForWriting } from '../dev/fileLock.js';
import type { Report } from '../dev/report.js';
import { sampleFolder } from '../dev/sample.js';
import type { HistoricalTransferInput } from '../domain/transfer.js';
import type { AuditReader } from '../engines/contract.js';
import { AuditedRun } from './auditedRun.js';
import type { TemporalPlace } from './connect.js';

/** The LogIDs of the batches. */
export interface DemoBatches {
  readonly transfer: number;
  readonly clean: number;
  readonly recovered: number;
  readonly exhausted: number;
}

/** What the WorkflowIDs of its runs begin with. */
export const DEMO_PREFIX = 'demo-';

const TRANSFER: HistoricalTransferInput = {
  source: 'northwind',
  staging: 'staging',
  target: 'dwh',
  tables: [
    { from: 'dbo.Orders', to: 'Raw.Orders' },
    { from: 'dbo.[Order Details]', to: 'Raw.[Order Details]' },
  ],
  mode: 'replace',
};

export async function makeDemoBatches(
  config: Config,
  { connection, namespace }: TemporalPlace,
  reader: AuditReader,
  report: Report,
): Promise<DemoBatches> {
  const client = new Client({ connection, namespace });
  const { taskQueue } = config.worker;
  const startedAt = Date.now();
  const start = async (name: string, type = 'northwindSalesElt', ...args: unknown[]): Promise<AuditedRun> => {
    const workflowId = `${DEMO_PREFIX}${name}-${startedAt}`;
    const { firstExecutionRunId } = await client.workflow.start(type, { taskQueue, workflowId, args });
    return new AuditedRun(firstExecutionRunId, reader);
  };
  const openTransaction = (): Promise<() => void> => lockForWriting(join(sampleFolder(config), 'DWH.db'));

  report('Run 1 of 4: historicalTransfer copies two tables, by a folder, with each hop counted');
  const copy = await start('transfer', 'historicalTransfer', TRANSFER);
  const transfer = await copy.endsAs({ Status: 'Success', RetryStatus: null });

  report('Run 2 of 4: the pipeline northwindSalesElt, without a fault');
  const clean = await (await start('clean')).endsAs({ Status: 'Success', RetryStatus: null });

  report("Run 3 of 4: a colleague's open transaction locks the warehouse");
  let release = await openTransaction();
  const second = await start('recovered');
  await second.until(({ events }) => events.some(({ EventType }) => EventType === 'retry'));
  report('  the first attempt has failed; the colleague ends the transaction');
  release();
  const recovered = await second.endsAs({ Status: 'Success', RetryStatus: 'recovered' });

  report('Run 4 of 4: the colleague has gone to lunch and left the transaction open');
  release = await openTransaction();
  const exhausted = await (await start('exhausted')).endsAs({ Status: 'Error', RetryStatus: 'exhausted' });
  release();
  return { transfer, clean, recovered, exhausted };
}
