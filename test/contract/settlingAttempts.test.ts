/** What a history makes of the attempts of a run's steps, and of what workers had written about them. */
import { expect, it } from 'vitest';
import { isAttemptEnd } from '../../src/domain/merge.js';
import type { BatchRef, RunStart } from '../../src/domain/model.js';
import { everyEngine } from './engines.js';
import { event, NOW, open, read, record, runHistory, runStart, settle } from './rows.js';

everyEngine('settling attempts', ({ audit }) => {
  const openOne = async (): Promise<{ start: RunStart; ref: BatchRef }> => {
    const start = runStart();
    return { start, ref: await open(audit.store, start) };
  };

  it('keeps what a zombie reports after its run was closed, and leaves the batch as it is', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' })]);
    const history = runHistory(start, { status: 'TimedOut' }, [{ end: undefined }]);
    await settle(audit.store, [history]);
    const before = await read(audit.store, ref);
    expect(before.events.map(({ EventType }) => EventType)).toEqual(['start', 'lost']);
    await record(audit.store, [
      event(ref, { EventType: 'failure', ErrorMessage: 'nobody listens', RetryStatus: 'exhausted' }),
    ]);
    const reported = await read(audit.store, ref);
    expect([reported.batch, reported.alerts]).toEqual([before.batch, before.alerts]);
    // What it means is for the history to say, which is read again.
    expect(reported.runs.map(({ CertifiedAt }) => CertifiedAt)).toEqual([null]);
    await settle(audit.store, [history]);
    const { batch, alerts, events, runs } = await read(audit.store, ref);
    expect([batch, alerts]).toEqual([before.batch, before.alerts]);
    expect(runs).toEqual(before.runs.map((run) => ({ ...run, GapCount: 0 })));
    expect(events[1]).toMatchObject({ EventType: 'failure', AlertTriggered: false });
    expect(events[1]!.Message).toMatch(/^late: /);
  });

  it('takes in what a worker saw while its store was out of reach, and another one read the history', async () => {
    const { start, ref } = await openOne();
    const end = { type: 'success', time: NOW, error: undefined, retryStatus: null, counts: {} } as const;
    const history = runHistory(start, {}, [{ attempt: 2, end, startedTime: '2026-03-29T01:00:05.000Z' }]);
    await settle(audit.store, [history]);
    expect((await read(audit.store, ref)).runs[0]!.GapCount).toBe(4);
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { EventType: 'retry', ErrorMessage: 'busy', RetryStatus: 'retrying' }),
      event(ref, { EventType: 'start', Attempt: 2 }),
      event(ref, { Attempt: 2, RowsProcessed: 42, RetryStatus: 'recovered' }),
    ]);
    await settle(audit.store, [history]);
    const { batch, events, runs } = await read(audit.store, ref);
    expect(events.map(({ EventType, Witness, Message }) => [EventType, Witness, Message])).toEqual(
      ['start', 'retry', 'start', 'success'].map((type) => [type, 'both', null]),
    );
    expect(batch).toMatchObject({ RowsProcessed: 42, RetryCount: 1, RetryStatus: 'recovered' });
    expect(runs[0]).toMatchObject({ GapCount: 0, CertifiedEventID: 11, HistoryHash: 'hash of the history' });
  });

  it('writes the ends of attempts whose worker died, and of attempts that no worker saw', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' })]);
    await settle(audit.store, [runHistory(start, {}, [{ attempt: 3 }, { ActivityID: '2' }])]);
    const { runs, events, batch } = await read(audit.store, ref);
    const of = (id: string): string[] =>
      events
        .filter(({ ActivityID }) => ActivityID === id)
        .map(({ Attempt, EventType, Witness }) => `${Attempt} ${EventType} ${Witness}`)
        .sort();
    expect(of('1')).toEqual([
      ...['1 lost history', '1 start live', '2 lost history', '2 start history'],
      ...['3 start history', '3 success history'],
    ]);
    expect(of('2')).toEqual(['1 start history', '1 success history']);
    expect(batch.RetryCount).toBe(2);
    expect(runs[0]!.GapCount).toBe(7);
  });

  it('knows that the attempt before the last one had reported its failure, also where it was taken for lost', async () => {
    const { start, ref } = await openOne();
    const failed = (isReported: boolean) => ({ type: 'Fault', message: 'disk full', isReported });
    for (const ActivityID of ['1', '2']) {
      for (const Attempt of [1, 2, 3])
        await record(audit.store, [event(ref, { ActivityID, Attempt, EventType: 'start' })]);
    }
    const taken = (await read(audit.store, ref)).events.filter(({ EventType }) => EventType === 'lost');
    expect(taken.map(({ Witness }) => Witness)).toEqual(['live', 'live', 'live', 'live']);
    const startedTime = '2026-03-29T01:00:05.000Z';
    const activities = [
      { attempt: 3, startedTime, lastFailure: failed(true) },
      // It timed out: nobody told Temporal anything.
      { ActivityID: '2', attempt: 3, startedTime, lastFailure: failed(false) },
      { ActivityID: '3', attempt: 3, startedTime, lastFailure: failed(true) },
    ];
    const history = runHistory(start, {}, activities);
    await settle(audit.store, [history]);
    const { batch, runs, events } = await read(audit.store, ref);
    const ends = (id: string) => events.filter((one) => one.ActivityID === id && isAttemptEnd(one));
    const said = (id: string) =>
      ends(id).map(({ Attempt, EventType, Witness }) => `${Attempt} ${EventType} ${Witness}`);
    expect(said('1').sort()).toEqual(['1 lost live', '2 retry history', '3 success history']);
    expect(said('2').sort()).toEqual(['1 lost live', '2 lost live', '3 success history']);
    expect(said('3').sort()).toEqual(['1 lost history', '2 retry history', '3 success history']);
    for (const id of ['1', '3']) {
      expect(ends(id).find(({ EventType }) => EventType === 'retry')).toMatchObject({
        ...{ ErrorType: 'Fault', ErrorMessage: 'disk full', RetryStatus: 'retrying' },
        ...{ EventTime: startedTime, DurationMs: null, NextRetryTime: null, AlertTriggered: false },
      });
    }
    expect(batch).toMatchObject({ RetryCount: 6, RetryStatus: 'recovered' });
    expect(runs[0]!.GapCount).toBe(9);

    // The worker that had reported it ships its outbox.
    const NextRetryTime = '2026-03-29T01:00:04.000Z';
    const retry = { Attempt: 2, EventType: 'retry', ErrorMessage: 'disk full: /tmp', NextRetryTime } as const;
    await record(audit.store, [event(ref, { ...retry, RetryStatus: 'retrying' })]);
    await settle(audit.store, [history]);
    const told = (await read(audit.store, ref)).events.find(({ EventType }) => EventType === 'retry');
    expect(told).toMatchObject({ ...retry, Witness: 'both', Message: null, DurationMs: 5, EventTime: NOW });
  });

  it('corrects what a worker guessed, and drops the alert that it had raised', async () => {
    const { start, ref } = await openOne();
    await record(audit.store, [
      event(ref, { EventType: 'start' }),
      event(ref, { EventType: 'failure', RetryStatus: 'exhausted' }),
      event(ref, { EventType: 'start', Attempt: 2 }),
      event(ref, { Attempt: 2, RetryStatus: 'recovered' }),
    ]);
    await settle(audit.store, [runHistory(start, {}, [{ attempt: 2 }])]);
    const { batch, events, alerts } = await read(audit.store, ref);
    expect(events.map(({ EventType, RetryStatus }) => [EventType, RetryStatus])).toEqual([
      ['start', null],
      ['retry', 'retrying'],
      ['start', null],
      ['success', 'recovered'],
    ]);
    expect(alerts.map(({ ResolvedAt }) => ResolvedAt !== null)).toEqual([true]);
    expect(batch.RetryStatus).toBe('recovered');
  });
});
