/**
 * The three runs of the demo: one without a fault, one that recovers by a retry, one that runs out of retries. The
 * fault is a real one: another connection's open transaction on the warehouse, which lets nobody else write.
 */
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import { lockForWriting } from '../dev/fileLock.js';
import type { Report } from '../dev/report.js';
import { sampleFolder } from '../dev/sample.js';
import type { AuditReader } from '../engines/contract.js';
import { AuditedRun } from './auditedRun.js';
import type { TemporalPlace } from './connect.js';

/** The LogIDs of the three batches. */
export interface DemoBatches {
  readonly clean: number;
  readonly recovered: number;
  readonly exhausted: number;
}

export async function makeDemoBatches(
  config: Config,
  { connection, namespace }: TemporalPlace,
  reader: AuditReader,
  report: Report,
): Promise<DemoBatches> {
  const client = new Client({ connection, namespace });
  const { taskQueue } = config.worker;
  const startedAt = Date.now();
  const start = async (name: string): Promise<AuditedRun> => {
    const workflowId = `demo-${name}-${startedAt}`;
    const { firstExecutionRunId } = await client.workflow.start('northwindSalesElt', {
      taskQueue,
      workflowId,
    });
    return new AuditedRun(firstExecutionRunId, reader);
  };
  const openTransaction = (): Promise<() => void> => lockForWriting(join(sampleFolder(config), 'DWH.db'));

  report('Run 1 of 3: the pipeline northwindSalesElt, without a fault');
  const clean = await (await start('clean')).endsAs({ Status: 'Success', RetryStatus: null });

  report("Run 2 of 3: a colleague's open transaction locks the warehouse");
  let release = await openTransaction();
  const second = await start('recovered');
  await second.until(({ events }) => events.some(({ EventType }) => EventType === 'retry'));
  report('  the first attempt has failed; the colleague ends the transaction');
  release();
  const recovered = await second.endsAs({ Status: 'Success', RetryStatus: 'recovered' });

  report('Run 3 of 3: the colleague has gone to lunch and left the transaction open');
  release = await openTransaction();
  const exhausted = await (await start('exhausted')).endsAs({ Status: 'Error', RetryStatus: 'exhausted' });
  release();
  return { clean, recovered, exhausted };
}
