import { beforeAll, describe, expect, it } from 'vitest';
import type { PipelineLog } from '../../src/domain/model.js';
import type { BatchFilter } from '../../src/engines/contract.js';
import { everyEngine, unique } from './engines.js';
import { FAILED, event, open, openAll, read, record, runHistory, runStart, settle } from './rows.js';

/** Twelve batches, two at a time, so that the LogID has to decide. */
const times = Array.from({ length: 12 }, (_, index) => `2026-01-${10 + Math.floor(index / 2)}T00:00:00.000Z`);

everyEngine('listing', ({ audit }) => {
  describe('batches', () => {
    const prefix = unique('listed');
    let all: PipelineLog[];
    const ids = (found: readonly PipelineLog[]): number[] => found.map(({ LogID }) => LogID);
    const matching = (which: (batch: PipelineLog) => boolean): number[] => ids(all.filter(which));
    const list = async (filter: BatchFilter): Promise<number[]> =>
      ids(await (await audit.reader()).batches({ text: prefix, ...filter }));

    beforeAll(async () => {
      const starts = times.map((StartTime, index) =>
        runStart({ StartTime, PipelineName: `${prefix} ${index % 3}`, WorkflowID: `w${index}` }),
      );
      const refs = await openAll(audit.store, starts);
      await settle(
        audit.store,
        starts
          .slice(4)
          .map((start, index) =>
            runHistory(
              start,
              index % 2 === 0 ? { time: start.StartTime } : { status: 'Error', time: start.StartTime },
            ),
          ),
      );
      const found = await audit.store.transaction((tx) => tx.findBatches(ids(refs as PipelineLog[])));
      all = found.sort((a, b) =>
        a.StartTime === b.StartTime ? b.LogID - a.LogID : a.StartTime < b.StartTime ? 1 : -1,
      );
    });

    it('come newest first, those of one moment by LogID, as they are in the table', async () => {
      expect(await (await audit.reader()).batches({ text: prefix })).toEqual(all);
    });

    it('are chosen by pipeline', async () => {
      const pipeline = `${prefix} 1`;
      const expected = matching(({ PipelineName }) => PipelineName === pipeline);
      expect(expected).toHaveLength(4);
      expect(await list({ pipeline })).toEqual(expected);
      expect(ids(await (await audit.reader()).batches({ pipeline }))).toEqual(expected);
    });

    it('are chosen by status', async () => {
      for (const status of ['Running', 'Success', 'Error'] as const) {
        const expected = matching(({ Status }) => Status === status);
        expect(expected).toHaveLength(4);
        expect(await list({ status })).toEqual(expected);
      }
      expect(await list({ status: 'Cancelled' })).toEqual([]);
    });

    it('are chosen by being open', async () => {
      expect(await list({ open: true })).toEqual(matching(({ Resolution }) => Resolution === 'open'));
      expect(await list({ open: false })).toEqual(ids(all));
    });

    it('are chosen by time, the beginning included, the end not', async () => {
      const [since, until] = [times[4]!, times[8]!];
      expect(await list({ since })).toEqual(matching(({ StartTime }) => StartTime >= since));
      expect(await list({ until })).toEqual(matching(({ StartTime }) => StartTime < until));
      expect(await list({ since, until })).toHaveLength(4);
    });

    it('are chosen by all of it together', async () => {
      const filter = {
        pipeline: `${prefix} 2`,
        status: 'Error',
        open: true,
        since: times[4],
        until: times[11],
      };
      const expected = matching(
        ({ PipelineName, Status, StartTime }) =>
          PipelineName === filter.pipeline &&
          Status === 'Error' &&
          StartTime >= times[4]! &&
          StartTime < times[11]!,
      );
      expect(expected.length).toBeGreaterThan(0);
      expect(await list(filter as BatchFilter)).toEqual(expected);
    });

    it('come in pages that show each batch once, also when new ones begin meanwhile', async () => {
      const reader = await audit.reader();
      const seen: number[] = [];
      let after: BatchFilter['after'];
      for (;;) {
        const page = await reader.batches({ text: prefix, limit: 5, after });
        seen.push(...ids(page));
        if (page.length < 5) break;
        after = page.at(-1);
        if (seen.length === 5) await open(audit.store, runStart({ PipelineName: `new ${prefix}` }));
      }
      expect(seen).toEqual(ids(all));
      await audit.place.run(
        `DELETE FROM ${audit.place.table('PipelineRun')} WHERE LogID > ${Math.max(...ids(all))}`,
      );
      await audit.place.run(
        `DELETE FROM ${audit.place.table('PipelineLog')} WHERE LogID > ${Math.max(...ids(all))}`,
      );
    });

    it('are chosen by being a batch, a replay of it, or repaired by it', async () => {
      const [first, again, last] = await openAll(
        audit.store,
        [1, 2, 3].map(() => runStart({ PipelineName: unique('replayed') })),
      );
      await audit.store.transaction(async (tx) => {
        const [one, two, three] = [first, again, last].map((ref) => ref!.LogID);
        const found = await tx.lockBatches([one!, two!, three!]);
        const links: Record<number, Partial<PipelineLog>> = {
          [one!]: { ResolvedByLogID: three! },
          [two!]: { ReplayOfLogID: one!, ResolvedByLogID: three! },
          [three!]: { ReplayOfLogID: two! },
        };
        await tx.updateBatches(found.map((batch) => ({ ...batch, ...links[batch.LogID] })));
      });
      const about = async ({ LogID }: { LogID: number }): Promise<number[]> =>
        ids(await (await audit.reader()).batches({ about: LogID })).sort((a, b) => a - b);
      const sorted = (...refs: Array<{ LogID: number } | undefined>): number[] =>
        refs.map((ref) => ref!.LogID).sort((a, b) => a - b);
      expect(await about(first!)).toEqual(sorted(first, again));
      expect(await about(again!)).toEqual(sorted(again, last));
      expect(await about(last!)).toEqual(sorted(first, again, last));
      expect(await about({ LogID: 2_000_000_000 })).toEqual([]);
    });

    it('come in pages of one', async () => {
      const reader = await audit.reader();
      const [first] = await reader.batches({ text: prefix, limit: 1 });
      const [second] = await reader.batches({ text: prefix, limit: 1, after: first });
      expect([first!.LogID, second!.LogID]).toEqual(ids(all).slice(0, 2));
      expect(await list({ limit: 0 })).toEqual([]);
    });
  });

  describe('by text', () => {
    const found = async (text: string): Promise<number[]> =>
      (await (await audit.reader()).batches({ text })).map(({ LogID }) => LogID);

    it('looks at the pipeline, the workflow id, the error and the message', async () => {
      const word = unique('Word');
      const starts = [
        runStart({ PipelineName: `a ${word} b` }),
        runStart({ WorkflowID: `a ${word} b` }),
        runStart(),
        runStart(),
      ];
      const refs = await openAll(audit.store, starts);
      await settle(audit.store, [
        runHistory(starts[2]!, { status: 'Error', error: { type: 'Error', message: `a ${word} b` } }),
      ]);
      await record(audit.store, [event(refs[3]!, { Message: `a ${word} b` })]);
      expect((await found(word)).sort()).toEqual(refs.map(({ LogID }) => LogID).sort());
      expect(await found(`${word} c`)).toEqual([]);
    });

    it('finds upper and lower case alike', async () => {
      const word = unique('MixedCase');
      const { LogID } = await open(audit.store, runStart({ PipelineName: word }));
      for (const text of [word.toUpperCase(), word.toLowerCase()]) expect(await found(text)).toEqual([LogID]);
    });

    it('finds upper and lower case of other alphabets alike', async () => {
      const salt = unique('');
      const { LogID } = await open(audit.store, runStart({ PipelineName: `Größe Ärger Жук${salt}` }));
      for (const text of ['GRÖ', 'ärger', 'жУК']) expect(await found(`${text}`)).toContain(LogID);
    });

    it('takes signs as they are, also those that mean something in SQL', async () => {
      const salt = unique('');
      const signs = ['100%', 'a_b', '[x]', 'a\\b', "it's", '"q"', '^$.*', '😀 漢', '--', '?', '$1', ':a @b'];
      const refs = await openAll(
        audit.store,
        signs.map((sign) => runStart({ PipelineName: `${sign}${salt}` })),
      );
      for (const [index, sign] of signs.entries()) {
        expect(await found(`${sign}${salt}`), sign).toEqual([refs[index]!.LogID]);
      }
      for (const text of [`%${salt}`, `a%b${salt}`, `_${salt}`, `[a-z]${salt}`, `100_${salt}`]) {
        const expected = signs.findIndex((sign) => `${sign}${salt}`.includes(text));
        expect(await found(text), text).toEqual(expected < 0 ? [] : [refs[expected]!.LogID]);
      }
    });
  });

  describe('one batch', () => {
    it('comes with its runs, events and alerts, each in their order', async () => {
      const start = runStart();
      const ref = await open(audit.store, start);
      const at = '2026-03-29T01:00:00.500Z';
      const rows = [2, 1, 3].flatMap((Attempt) => [
        event(ref, { EventType: Attempt < 3 ? 'retry' : 'failure', Attempt, EventTime: at }),
        event(ref, { EventType: 'start', Attempt, EventTime: at }),
      ]);
      await audit.store.transaction((tx) => tx.putEvents(rows));
      await settle(audit.store, [runHistory(start, { status: 'Error' }, [{ attempt: 3, end: FAILED }])]);
      const reset = runStart({ OriginalRunID: start.RunID, WorkflowID: start.WorkflowID });
      await open(audit.store, reset, '2026-03-29T02:00:00.000Z');
      const shown = (await (await audit.reader()).batch(ref.LogID))!;
      expect(shown).toEqual(await read(audit.store, ref));
      expect(shown.runs.map(({ RunID }) => RunID)).toEqual([start.RunID, reset.RunID]);
      expect(shown.events.map(({ EventType, Attempt }) => `${EventType} ${Attempt}`)).toEqual([
        ...['start 1', 'retry 1', 'start 2', 'retry 2', 'start 3', 'failure 3'],
      ]);
      expect(shown.alerts.map(({ Rule }) => Rule)).toEqual(['step-failed', 'batch-failed']);
      expect(shown.alerts[0]!.AlertID).toBeLessThan(shown.alerts[1]!.AlertID);
    });

    it('that is not there is undefined', async () => {
      expect(await (await audit.reader()).batch(2_000_000_000)).toBeUndefined();
    });
  });

  it("runs people's own statements", async () => {
    const start = runStart({ PipelineName: unique('lineage') });
    const ref = await open(audit.store, start);
    const reader = await audit.reader();
    const { columns, rows } = await reader.query(
      `SELECT * FROM ${audit.place.schema}.PipelineLog WHERE PipelineName = '${start.PipelineName}' ORDER BY StartTime DESC`,
    );
    expect(columns.slice(0, 5).map((name) => name.toLowerCase())).toEqual([
      ...['logid', 'pipelinename', 'starttime', 'endtime', 'status'],
    ]);
    expect(rows.map((row) => Number(row[columns[0]!]))).toEqual([ref.LogID]);
    const none = await reader.query(`SELECT LogID FROM ${audit.place.schema}.PipelineLog WHERE LogID < 0`);
    expect([none.columns.length, none.rows]).toEqual([1, []]);
  });

  it('says in one line what the database has against a statement', async () => {
    const reader = await audit.reader();
    for (const sql of [
      'SELEC nonsense',
      `SELECT no_such_column FROM ${audit.place.schema}.PipelineLog`,
      `SELECT * FROM ${audit.place.schema}.NoSuchTable`,
      '',
    ]) {
      const error = await reader.query(sql).then(
        () => undefined,
        (error: unknown) => error as Error,
      );
      expect(error?.name, sql).toBe('BadInput');
      expect(error!.message).not.toContain('\n');
    }
  });

  it('gives the dbt views the rows that people who come from dbt know', async () => {
    const start = runStart();
    const ref = await open(audit.store, start);
    await record(audit.store, [event(ref, { EventType: 'start' }), event(ref, { Message: 'loaded' })]);
    await settle(audit.store, [runHistory(start, { counts: { RowsProcessed: 3 } }, [{}])]);
    const of = async (view: string): Promise<Array<Record<string, unknown>>> =>
      audit.place.run(
        `SELECT * FROM ${audit.place.table(view)} WHERE invocation_id = ${ref.LogID} ORDER BY status`,
      );
    const [summary] = await of('dbt_audit_summary');
    expect(summary).toMatchObject({ model_name: 'Pipeline', status: 'completed', run_by_user: null });
    expect(Number(summary!['rows_processed'])).toBe(3);
    expect(Number(summary!['execution_time_seconds'])).toBeCloseTo(600.001, 3);
    const details = await of('dbt_audit_detail');
    expect(details.map(({ step_name, status, message }) => [step_name, status, message])).toEqual([
      ['step', 'start', null],
      ['step', 'success', 'loaded'],
    ]);
  });
});
