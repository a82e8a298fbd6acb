import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PipelineEvent } from '../../src/domain/model.js';
import { NO_COUNTS, NO_DETAILS } from '../../src/domain/model.js';
import type { NewBatch } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';
import type { Ended } from './runCli.js';
import { endOf, runCli, startCli } from './runCli.js';

const EVIL = 'gone\u001b[2J\u009b31m';
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-cli-'));
  await fillAudit(`sqlite:${join(folder, '.batchtrail')}`);
});

afterAll(() => rmSync(folder, { recursive: true }));

const batchtrail = (...args: string[]): Promise<Ended> => runCli(args, { cwd: folder });

describe('an audit that can not be read', () => {
  it.each<[string, RegExp, (place: string) => void]>([
    [
      'is a file',
      /^batchtrail: The file \S+Audit\.db can't be read \(ENOTDIR\)\. Give this user/,
      (place) => writeFileSync(place, ''),
    ],
    [
      'has something else in its place',
      /^batchtrail: \S+Audit\.db is no SQLite database\. Move it away/,
      (place) => {
        mkdirSync(place);
        writeFileSync(join(place, 'Audit.db'), 'this is not a database, and longer than the head of one');
      },
    ],
    [
      'has a folder in its place',
      /^batchtrail: The SQLite file \S+Audit\.db can't be opened/,
      (place) => mkdirSync(join(place, 'Audit.db'), { recursive: true }),
    ],
  ])('%s is named, with what to do', async (name, message, make) => {
    const place = join(folder, name.replaceAll(' ', '-'));
    make(place);
    for (const command of ['batches', 'migrate']) {
      const ended = await runCli([command], {
        cwd: folder,
        env: { BATCHTRAIL_AUDIT_URL: `sqlite:${place}` },
      });
      expect({ command, ...ended }).toMatchObject({ code: 1, stdout: '' });
      if (command === 'batches') expect(ended.stderr).toMatch(message);
      expect(ended.stderr).toMatch(/^batchtrail: [^\n]*\n$/);
    }
  });
});

describe('batches', () => {
  it('lists the newest first', async () => {
    const { code, stdout, stderr } = await batchtrail('batches');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(
      /^LogID {2}PipelineName +Status +StartTime +Duration +Rows +Retries +RetryStatus +Alert$/,
    );
    expect(lines[1]).toMatch(/^ {4}2 {2}orders +Error +2026-01-02 03:04:05 +6\.2 s +2 +exhausted +yes$/);
    expect(lines[2]).toContain('Error: transform: gone␛[2J\\u009b31m');
    expect(lines[3]).toMatch(/^ {4}1 {2}orders +Success +2026-01-01 00:00:00 +250 ms +830 +0$/);
  });

  it('prints one JSON document with the columns as keys', async () => {
    const { stdout, stderr } = await batchtrail('batches', '--json');
    expect(stderr).toBe('');
    const batches = JSON.parse(stdout) as NewBatch[];
    expect(batches).toMatchObject([
      { LogID: 2, Status: 'Error', AlertTriggered: true, ErrorMessage: `transform: ${EVIL}` },
      { LogID: 1, Status: 'Success', AlertTriggered: false, RowsProcessed: 830 },
    ]);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('filters', async () => {
    const only = async (...args: string[]): Promise<unknown[]> => {
      const batches = JSON.parse((await batchtrail('batches', '--json', ...args)).stdout) as {
        LogID: number;
      }[];
      return batches.map(({ LogID }) => LogID);
    };
    expect(await only('--status', 'Success')).toEqual([1]);
    expect(await only('--limit', '1')).toEqual([2]);
    expect(await only('--pipeline', 'nothing')).toEqual([]);
  });

  it('says what to do when nothing matches', async () => {
    const { code, stdout } = await batchtrail('batches', '--pipeline', 'nothing');
    expect(code).toBe(0);
    expect(stdout).toBe('No batch matches. Leave out options to see more of them\n');
  });

  it('survives a reader that stops reading', async () => {
    const child = startCli(['batches'], { cwd: folder });
    child.stdout!.destroy();
    const { code, stderr } = await endOf(child);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('show', () => {
  it('tells the whole story of a batch', async () => {
    const { code, stdout } = await batchtrail('show', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Batch 2 {2}orders {2}Error\n/);
    expect(stdout).toContain('Started     2026-01-02 03:04:05 UTC\n');
    expect(stdout).toContain('Ended       2026-01-02 03:04:11 UTC, 6.2 s\n');
    expect(stdout).toContain('Workflow    orders-2\n');
    expect(stdout).toContain('Schedule    nightly, due 2026-01-02 03:04:00 UTC\n');
    expect(stdout).toContain('Links       continues batch 1\n');
    expect(stdout).toContain('Retries     2, exhausted\n');
    expect(stdout).toContain('Error       transform: gone␛[2J\\u009b31m\n');
    const timeline = stdout.slice(stdout.indexOf('Steps\n'), stdout.indexOf('Log\n')).trimEnd().split('\n');
    expect(timeline).toEqual([
      'Steps',
      'Step       Time          Event    Attempt  Duration  Rows  Note',
      'extract    03:04:05.000  start          1',
      '           03:04:05.800  success        1    800 ms   830',
      'transform  03:04:05.500  start          1',
      '           03:04:06.000  retry          1    500 ms        next try 03:04:07.000 · locked',
      '           03:04:07.000  start          2',
      '           03:04:07.200  failure        2    200 ms        locked again',
    ]);
    expect(stdout).toMatch(/Log\nTime +Level +Step +Rows +Message\n03:04:05\.100 +info +prepare +hello/);
    expect(stdout).toMatch(
      /Alerts\nAlert +Severity.*\n +1 +error +step-failed +2026-01-02 03:04:07 +open +transform failed/,
    );
  });

  it('prints the record as JSON', async () => {
    const { stdout, stderr } = await batchtrail('show', '2', '--json');
    expect(stderr).toBe('');
    const record = JSON.parse(stdout) as Record<string, unknown[]>;
    expect(Object.keys(record)).toEqual(['batch', 'runs', 'events', 'alerts']);
    expect(record.batch).toMatchObject({ LogID: 2, WorkflowID: 'orders-2' });
    expect(record.events).toHaveLength(7);
    expect(record.alerts).toMatchObject([{ Rule: 'step-failed', ResolvedAt: null }]);
  });

  it('fails for a batch that is not there', async () => {
    const { code, stdout, stderr } = await batchtrail('show', '77', '--json');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toBe('batchtrail: There is no batch 77. See: batchtrail batches\n');
  });
});

describe('sql', () => {
  it('prints rows as a table', async () => {
    const { code, stdout } = await batchtrail(
      'sql',
      'SELECT LogID, Status FROM Audit.PipelineLog ORDER BY LogID',
    );
    expect(code).toBe(0);
    expect(stdout).toBe('LogID  Status\n    1  Success\n    2  Error\n(2 rows)\n');
  });

  it('prints rows as JSON and keeps what JSON has no word for', async () => {
    const { stdout } = await batchtrail(
      'sql',
      "SELECT 9007199254740993 AS big, 7 AS small, x'00ff' AS bytes, 9e999 AS much, NULL AS none",
      '--json',
    );
    expect(JSON.parse(stdout)).toEqual([
      { big: '9007199254740993', small: 7, bytes: 'AP8=', much: 'Infinity', none: null },
    ]);
  });

  it('cannot write', async () => {
    for (const statement of [
      'DELETE FROM Audit.PipelineLog',
      "UPDATE Audit.PipelineLog SET Status = 'Success' RETURNING LogID",
    ]) {
      const { code, stdout, stderr } = await batchtrail('sql', statement);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^batchtrail: .*\n$/);
    }
  });
});

describe('migrate', () => {
  it('says what it did', async () => {
    const env = { BATCHTRAIL_AUDIT_URL: 'sqlite:./fresh' };
    expect(await runCli(['migrate'], { cwd: folder, env })).toMatchObject({
      code: 0,
      stdout: 'Applied version 1, 2\n',
    });
    expect(await runCli(['migrate'], { cwd: folder, env })).toMatchObject({
      code: 0,
      stdout: 'The audit tables are up to date\n',
    });
  });
});

describe.concurrent('usage', () => {
  it.each([
    [['bogus'], "unknown command 'bogus'"],
    [['batches', '--bogus'], "unknown option '--bogus'"],
    [['batches', '--status', 'Lost'], 'Allowed choices are Running, Success, Error'],
    [['batches', '--limit', '0'], 'It must be a positive whole number'],
    [['show'], "missing required argument 'LogID'"],
    [['show', '-1'], 'It must be a positive whole number'],
    [['show', '1.5'], 'It must be a positive whole number'],
    [['show', '9007199254740993'], 'It must be a positive whole number'],
    [['show', '1', '2'], 'too many arguments'],
    [['sql'], "missing required argument 'select'"],
  ])('%j is bad usage', async (args, message) => {
    const { code, stdout, stderr } = await batchtrail(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^batchtrail: [^\n]*[^.]\. See batchtrail --help\n$/);
    expect(stderr).toContain(message);
  });

  it('without a command shows the help, on stderr', async () => {
    const { code, stdout, stderr } = await batchtrail();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: batchtrail');
  });

  it('knows its version', async () => {
    expect(await batchtrail('--version')).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' });
  });

  it.each(['batches', 'show', 'sql', 'lineage', 'rows', 'migrate', 'worker', 'dev', 'demo'])(
    '%s has help with an example',
    async (name) => {
      const { code, stdout } = await batchtrail(name, '--help');
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`Example: .*batchtrail ${name}`));
    },
  );
});

describe('configuration', () => {
  it('takes the file of --config, before or after the command', async () => {
    writeFileSync(join(folder, 'other.yaml'), 'audit: { url: "sqlite:./nowhere" }');
    for (const args of [
      ['--config', 'other.yaml', 'batches'],
      ['batches', '--config', 'other.yaml'],
    ]) {
      const { code, stderr } = await batchtrail(...args);
      expect(code).toBe(1);
      expect(stderr).toContain(join(folder, 'nowhere', 'Audit.db'));
    }
  });

  it('tells a bad file in one line, without its secrets', async () => {
    const env = { BATCHTRAIL_AUDIT_URL: 'nothing://etl:s3/cret@db/x' };
    const { code, stderr } = await runCli(['batches', '--json'], { cwd: folder, env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^batchtrail: audit\.url: no engine for [^\n]*\n$/);
    expect(stderr).not.toContain('s3/cret');
    expect(stderr).not.toContain('    at ');
  });
});

async function fillAudit(url: string): Promise<void> {
  const store = await (await engineFor(url, 'test')).openAuditStore({ url });
  await store.migrate();
  await store.transaction(async (tx) => {
    const [, failed] = await tx.openBatches([
      batch({ StartTime: '2026-01-01T00:00:00.000Z', DurationMs: 250, RowsProcessed: 830 }),
      batch({
        StartTime: '2026-01-02T03:04:05.000Z',
        EndTime: '2026-01-02T03:04:11.200Z',
        DurationMs: 6200,
        Status: 'Error',
        WorkflowID: 'orders-2',
        RunID: 'run-2',
        OriginalRunID: 'run-2',
        ScheduleID: 'nightly',
        ScheduledTime: '2026-01-02T03:04:00.000Z',
        PreviousLogID: 1,
        RetryCount: 2,
        RetryStatus: 'exhausted',
        AlertTriggered: true,
        ErrorMessage: `transform: ${EVIL}`,
      }),
    ]);
    const { LogID } = failed!;
    const event = (number: number, changes: Partial<PipelineEvent>): PipelineEvent => ({
      ...NO_DETAILS,
      EventID: `event-${number}`,
      LogID,
      RunID: 'run-2',
      StepName: 'transform',
      StepSequenceNum: null,
      ActivityID: '2',
      Attempt: 1,
      EventType: 'start',
      EventTime: '',
      Witness: 'live',
      ...changes,
    });
    const at = (time: string): string => `2026-01-02T03:04:${time}Z`;
    const extract = { StepName: 'extract', ActivityID: '1' };
    await tx.putEvents([
      event(1, { ...extract, EventTime: at('05.000') }),
      event(2, {
        StepName: 'prepare',
        ActivityID: null,
        Attempt: null,
        EventType: 'info',
        EventTime: at('05.100'),
        Message: 'hello',
      }),
      event(3, { EventTime: at('05.500') }),
      event(4, {
        ...extract,
        EventType: 'success',
        EventTime: at('05.800'),
        DurationMs: 800,
        RowsProcessed: 830,
      }),
      event(5, {
        EventType: 'retry',
        EventTime: at('06.000'),
        DurationMs: 500,
        ErrorMessage: 'locked',
        NextRetryTime: at('07.000'),
      }),
      event(6, { Attempt: 2, EventTime: at('07.000') }),
      event(7, {
        Attempt: 2,
        EventType: 'failure',
        EventTime: at('07.200'),
        DurationMs: 200,
        ErrorMessage: 'locked again',
      }),
    ]);
    await tx.insertAlerts([
      {
        LogID,
        EventID: 'event-7',
        Rule: 'step-failed',
        Severity: 'error',
        RaisedAt: at('07.200'),
        ResolvedAt: null,
        Message: 'transform failed',
      },
    ]);
  });
  await store.close();
}

function batch(changes: Partial<NewBatch>): NewBatch {
  return {
    ...NO_COUNTS,
    PipelineName: 'orders',
    StartTime: '',
    EndTime: null,
    Status: 'Success',
    ErrorMessage: null,
    Namespace: 'default',
    WorkflowID: 'orders-1',
    RunID: 'run-1',
    OriginalRunID: 'run-1',
    WorkflowType: 'orders',
    TaskQueue: 'etl',
    ScheduleID: null,
    ScheduledTime: null,
    RunByUser: null,
    InputDigest: null,
    DurationMs: null,
    RetryCount: 0,
    RetryStatus: null,
    AlertTriggered: false,
    CustomMessage: null,
    PreviousLogID: null,
    ParentLogID: null,
    ReplayOfLogID: null,
    Resolution: null,
    ResolvedByLogID: null,
    ...changes,
  };
}
