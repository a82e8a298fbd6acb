import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditedRun } from '../../src/cli/auditedRun.js';
import type { BatchRecord, PipelineLog } from '../../src/domain/model.js';
import type { AuditReader } from '../../src/engines/contract.js';
import { temporalCli } from '../support/temporal.js';
import type { Ended } from './runCli.js';
import { MAIN, runCli } from './runCli.js';

describe('demo', () => {
  let folder: string;
  let both: Ended[];
  // The demo has a server of its own and must not go near the user's.
  const env = (): Record<string, string> => ({
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    BATCHTRAIL_TEMPORAL_CLI: temporalCli(),
  });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'batchtrail-demo-'));
    both = await Promise.all([1, 2].map(() => runCli(['demo'], { cwd: folder, env: env() })));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const json = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await runCli([...args, '--json'], { cwd: folder })).stdout);

  it('works twice at once in the same folder', async () => {
    expect(both.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    const batches = (await json('batches')) as PipelineLog[];
    const outcomes = batches.map(({ Status, RetryStatus, RetryCount }) => [Status, RetryStatus, RetryCount]);
    const four = [
      ['Error', 'exhausted', 2],
      ['Success', 'recovered', 1],
      ['Success', null, 0],
      ['Success', null, 0],
    ];
    expect(outcomes).toEqual([...four, ...four]);
  });

  it('shows the batches, the attempts, the alert and the lineage', () => {
    for (const { stdout } of both) {
      expect(stdout).toContain('Run 4 of 4');
      expect(stdout).toContain(
        'Raw.Orders: source 830, extracted 830, staged 830, loaded 830, rejected 0, in target 830',
      );
      expect(stdout).toMatch(/\d +Northwind_Sales_ELT +Error .* exhausted +yes/);
      expect(stdout).toMatch(
        /runTransform +[\d:.]+ +start +1\n +[\d:.]+ +retry +1 [^]* start +2\n +[\d:.]+ +success +2 /,
      );
      expect(stdout).toMatch(/\d +critical +batch-failed +[-\d: ]+ +open/);
      expect(stdout).toMatch(
        /OrderID +TotalAmount +LoadedAt +Status\n(?: +\d+ +[\d.]+ +[-\dT:.]+Z +Success\n){5}\(5 rows\)/,
      );
      expect(stdout).toContain(join(folder, '.batchtrail'));
    }
  });

  it('ends with commands that work, of which the first three need no server', async () => {
    const start = `  node ${relative(folder, MAIN)} `;
    const commands = both[0]!.stdout.split('\n').filter((line) => line.startsWith(start));
    expect(commands).toHaveLength(6);
    for (const command of commands.slice(0, 3)) {
      const args = command
        .slice(start.length)
        .match(/"[^"]*"|\S+/g)!
        .map((word) => word.replaceAll('"', ''));
      const { code, stdout, stderr } = await runCli(args, { cwd: folder });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('Northwind_Sales_ELT');
    }
  });

  it('has the facts of the batch that loaded them', async () => {
    const rows = await json(
      'sql',
      'SELECT COUNT(*) AS facts, COUNT(DISTINCT BatchID) AS batches FROM DWH.Fact_Sales',
    );
    expect(rows).toEqual([{ facts: 830, batches: 1 }]);
  });
});

describe('a run of the demo', () => {
  const run = (batch: Partial<PipelineLog>): AuditedRun => {
    const runs = [{ CertifiedAt: '2026-01-01T00:00:00.000Z' }];
    const record = { batch: { LogID: 7, RunID: 'run', ...batch }, runs } as BatchRecord;
    const reader = {
      batches: async () => [record.batch],
      batch: async () => record,
    } as unknown as AuditReader;
    return new AuditedRun('run', reader);
  };

  it('fails when it ends in another way than expected', async () => {
    const ended = run({ Status: 'Error', RetryStatus: 'exhausted', ErrorMessage: 'locked' });
    await expect(ended.endsAs({ Status: 'Success', RetryStatus: 'recovered' })).rejects.toThrow(
      'Batch 7 had to end as Success (retries recovered), but ended as Error (retries exhausted): locked',
    );
    await expect(
      run({ Status: 'Success', RetryStatus: 'recovered' }).endsAs({ Status: 'Success', RetryStatus: null }),
    ).rejects.toThrow();
    expect(await ended.endsAs({ Status: 'Error', RetryStatus: 'exhausted' })).toBe(7);
  });
});
