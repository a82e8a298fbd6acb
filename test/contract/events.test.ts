import { expect, it } from 'vitest';
import { eventID } from '../../src/audit/eventID.js';
import { Ledger } from '../../src/audit/ledger/ledger.js';
import { recordLive } from '../../src/audit/ledger/recordLive.js';
import type { BatchRef, EventType, PipelineEvent } from '../../src/domain/model.js';
import { storable } from '../../src/domain/text.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { everyEngine } from './engines.js';
import { NOW, event, open, openAll, read, record, runStart } from './rows.js';

const TYPES: EventType[] = [
  ...(['start', 'success', 'failure', 'retry', 'cancelled', 'lost'] as const),
  ...(['info', 'debug', 'warning', 'error'] as const),
];

everyEngine('events', ({ audit }) => {
  const openOne = (): Promise<BatchRef> => open(audit.store, runStart());
  const eventsOf = async (ref: BatchRef): Promise<PipelineEvent[]> => (await read(audit.store, ref)).events;
  /** Written as they are, without what the ledger makes of them. */
  const put = (events: PipelineEvent[]): Promise<void> =>
    audit.store.transaction((tx) => tx.putEvents(events));

  it('of every type come back with every column as it was written', async () => {
    const ref = await openOne();
    const events = TYPES.map((EventType, index) =>
      event(ref, {
        EventID: eventID(ref.RunID, EventType, 1, 'end'),
        EventType,
        StepName: `step ${EventType}`,
        StepSequenceNum: index,
        ActivityID: EventType,
        Attempt: index + 1,
        EventTime: `2026-03-29T01:00:00.0${index}0Z`,
        DurationMs: index * 1000,
        RecordCountBefore: 1,
        RecordCountAfter: 2,
        RowsProcessed: 3,
        RowsRejected: 4,
        SourceSystem: 'ERP',
        TargetSystem: 'DWH',
        Message: 'said',
        ErrorType: 'TypeError',
        ErrorMessage: 'broke',
        RetryStatus: 'retrying',
        NextRetryTime: '2026-03-29T01:00:01.000Z',
        AlertTriggered: index % 2 === 0,
        Worker: 'worker@host',
        Witness: (['live', 'history', 'both'] as const)[index % 3]!,
        EventHash: 'ab'.repeat(32),
      }),
    );
    await put(events);
    expect(await eventsOf(ref)).toEqual(events);
  });

  it('come back with nothing where nothing was written, and with an empty text where it was empty', async () => {
    const ref = await openOne();
    const empty = event(ref, {
      StepSequenceNum: null,
      ActivityID: null,
      Attempt: null,
      DurationMs: null,
      Worker: null,
      Message: '',
    });
    await put([empty]);
    expect(await eventsOf(ref)).toEqual([empty]);
  });

  it('written twice are there once', async () => {
    const ref = await openOne();
    const [start, end] = [event(ref, { EventType: 'start' }), event(ref)];
    await record(audit.store, [start]);
    await record(audit.store, [start, end]);
    await record(audit.store, [end]);
    expect(await eventsOf(ref)).toEqual([start, end]);
  });

  it('named twice in one group are there once', async () => {
    const ref = await openOne();
    const [start, end] = [event(ref, { EventType: 'start' }), event(ref)];
    await record(audit.store, [start, end, end, start, end]);
    expect(await eventsOf(ref)).toEqual([start, end]);
  });

  it('written by two connections at once are there once', async () => {
    const ref = await openOne();
    const events = Array.from({ length: 20 }, (_, index) => event(ref, { ActivityID: `${index}` }));
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    await Promise.all([record(one, events), record(other, events.toReversed())]);
    expect(await eventsOf(ref)).toHaveLength(20);
  });

  it('written out of order are read in order', async () => {
    const ref = await openOne();
    const at = (second: number): string => `2026-03-29T01:00:0${second}.000Z`;
    const events = [1, 2, 3].flatMap((Attempt) => [
      event(ref, { EventType: 'start', Attempt, EventTime: at(Attempt) }),
      event(ref, { EventType: Attempt < 3 ? 'retry' : 'success', Attempt, EventTime: at(Attempt) }),
    ]);
    for (const one of [3, 5, 1, 0, 4, 2]) await record(audit.store, [events[one]!]);
    expect(await eventsOf(ref)).toEqual(events);
  });

  it('whose ids differ only by case or by a trailing blank are different events', async () => {
    const ref = await openOne();
    const ids = [`e-${ref.RunID}`, `E-${ref.RunID}`, `e-${ref.RunID} `];
    const events = ids.map((EventID, index) => event(ref, { EventID, ActivityID: `${index}` }));
    await record(audit.store, events);
    const found = await audit.store.transaction((tx) => tx.findEvents([ids[1]!, ids[2]!]));
    expect(found.map(({ EventID }) => EventID).sort()).toEqual([ids[1], ids[2]].sort());
    expect(await eventsOf(ref)).toHaveLength(3);
  });

  it('tell which of them were there already, as they are, and whose runs are closed', async () => {
    const ref = await openOne();
    const [known, fresh] = [event(ref, { Message: 'as it was' }), event(ref, { EventType: 'start' })];
    const add = (events: PipelineEvent[]) => audit.store.transaction((tx) => tx.addEvents(events));
    expect(await add([known])).toEqual({ existing: [], closedRuns: [] });
    await audit.store.transaction(async (tx) => {
      const [run] = await tx.findRuns([ref.RunID]);
      await tx.updateRuns([{ ...run!, Status: 'Success' }]);
    });
    expect(await add([{ ...known, Message: 'another' }, fresh])).toEqual({
      existing: [known],
      closedRuns: [ref.RunID],
    });
    expect((await eventsOf(ref)).map(({ Message }) => Message).sort()).toEqual(['as it was', null]);
  });

  it('keep counts up to 2^53 - 1 exactly', async () => {
    const ref = await openOne();
    const counts = {
      RowsProcessed: Number.MAX_SAFE_INTEGER,
      RowsRejected: 0,
      RecordCountBefore: Number.MAX_SAFE_INTEGER - 1,
      RecordCountAfter: 2 ** 31,
      DurationMs: 2 ** 40,
    };
    const row = event(ref, counts);
    await record(audit.store, [row]);
    expect(await eventsOf(ref)).toEqual([row]);
    await audit.store.transaction(async (tx) => {
      const [batch] = await tx.lockBatches([ref.LogID]);
      await tx.updateBatches([{ ...batch!, ...counts }]);
    });
    expect((await read(audit.store, ref)).batch).toMatchObject(counts);
    const { rows } = await (
      await audit.reader()
    ).query(
      `SELECT RowsProcessed AS n FROM ${audit.place.schema}.PipelineEvent WHERE EventID = '${row.EventID}'`,
    );
    expect(rows.map((found) => String(Object.values(found)[0]))).toEqual([String(Number.MAX_SAFE_INTEGER)]);
  });

  it('keep any text exactly; NUL and half surrogates become signs that every engine stores', async () => {
    const ref = await openOne();
    const texts = [
      `'quoted' "double" \`back\` \\ back\\\\slashes \\' \\n \\x00 \\u0041`,
      '😀 𝒳 漢字 Größe é é \u200b\u202e\ufeff',
      '\r\n\ttabs and\u0001controls\u001f\u007f',
      `]; DROP TABLE PipelineEvent; -- $1 ? :name @name {{x}} $$ \${schema} %s`,
      '  blanks around  ',
      storable('nul \0 half \uD83D'),
    ];
    expect(texts.at(-1)).toBe('nul \u2400 half \uFFFD');
    const events = texts.map((text, index) =>
      event(ref, { ActivityID: `${index}`, StepName: text, Message: text, ErrorMessage: text }),
    );
    await record(audit.store, events);
    const found = new Map((await eventsOf(ref)).map((one) => [one.ActivityID, one]));
    for (const one of events) expect(found.get(one.ActivityID)).toEqual(one);
  });

  // In a schema of its own: rows of this size would slow down the other cases.
  it('keep messages of 5 MB, on the batch, too', async () => {
    const store = await audit.open(await audit.newPlace());
    await store.migrate();
    const ref = await open(store, runStart());
    const text = `${'ü😀x'.repeat(700_000)} the end`;
    expect(Buffer.byteLength(text)).toBeGreaterThan(4.9 * 1000 * 1000);
    await record(store, [event(ref, { Message: text, ErrorMessage: text })]);
    const { batch, events } = await read(store, ref);
    // Not toBe(text): a failure would print it.
    expect([events[0]!.Message === text, events[0]!.ErrorMessage === text]).toEqual([true, true]);
    expect(batch.CustomMessage === text).toBe(true);
  });

  it('come 10,000 in one flush', async () => {
    const refs = await openAll(
      audit.store,
      Array.from({ length: 10 }, () => runStart()),
    );
    const events = Array.from({ length: 10_000 }, (_, index) =>
      event(refs[index % 10]!, {
        ActivityID: `${index}`,
        EventType: index % 3 === 0 ? 'start' : 'success',
        Message: `event ${index}`,
      }),
    );
    await record(audit.store, events);
    const records = await audit.store.transaction((tx) => tx.readBatches(refs.map(({ LogID }) => LogID)));
    expect(records.map((found) => found.events.length)).toEqual(Array<number>(10).fill(1000));
    const messages = new Set(records.flatMap((found) => found.events.map(({ Message }) => Message)));
    expect(messages.size).toBe(10_000);
  });

  it('written by many activities at once through the recorder are durable when it answers', async () => {
    const { recorder } = await audit.recorder();
    const refs = await Promise.all(Array.from({ length: 50 }, () => recorder.open(runStart())));
    await Promise.all(refs.map((ref) => recorder.record([event(ref, { EventType: 'start' }), event(ref)])));
    const records = await audit.store.transaction((tx) => tx.readBatches(refs.map(({ LogID }) => LogID)));
    expect(records.map(({ events }) => events.length)).toEqual(Array<number>(50).fill(2));
  });

  it('leave nothing half-written when their transaction dies', async () => {
    const ref = await openOne();
    const before = await read(audit.store, ref);
    const start = runStart();
    const dying = audit.store.transaction(async (tx) => {
      await tx.putEvents([event(ref)]);
      const [batch] = await tx.lockBatches([ref.LogID]);
      await tx.updateBatches([{ ...batch!, Status: 'Error' }]);
      await tx.insertAlerts([
        {
          LogID: ref.LogID,
          EventID: null,
          Rule: 'batch-failed',
          Severity: 'critical',
          RaisedAt: NOW,
          ResolvedAt: null,
          Message: 'died',
        },
      ]);
      const { previousRunID: _, parentRunID: __, replayedRunID: ___, ...facts } = start;
      await tx.openBatches([{ ...batch!, ...facts }]);
      throw new Error('dies here');
    });
    await expect(dying).rejects.toThrow('dies here');
    expect(await read(audit.store, ref)).toEqual(before);
    expect(await (await audit.reader()).batches({ text: start.WorkflowID })).toEqual([]);
  });

  it('that two connections write at the same time are all counted on the batch', async () => {
    const ref = await openOne();
    const retries = Array.from({ length: 8 }, (_, index) =>
      event(ref, { EventType: 'retry', ActivityID: `${index}`, RetryStatus: 'retrying', Message: 'again' }),
    );
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    await Promise.all(retries.map((retry, index) => record(index % 2 ? one : other, [retry])));
    expect((await read(audit.store, ref)).batch).toMatchObject({
      RetryCount: 8,
      RetryStatus: 'retrying',
      CustomMessage: 'again',
    });
  });

  it('and batches that two transactions lock in opposite orders are changed by both', async () => {
    const refs = await openAll(audit.store, [runStart(), runStart()]);
    const logIDs = refs.map(({ LogID }) => LogID);
    const [one, other] = await Promise.all([audit.another(), audit.another()]);
    const retryEach = (store: AuditStore, order: readonly number[]): Promise<void> =>
      store.transaction(async (tx) => {
        for (const logID of order) {
          const [batch] = await tx.lockBatches([logID]);
          await tx.updateBatches([{ ...batch!, RetryCount: batch!.RetryCount + 1 }]);
        }
      });
    await Promise.all(
      [1, 2, 3].flatMap(() => [retryEach(one, logIDs), retryEach(other, logIDs.toReversed())]),
    );
    const found = await audit.store.transaction((tx) => tx.findBatches(logIDs));
    expect(found.map(({ RetryCount }) => RetryCount)).toEqual([6, 6]);
  });

  it('of an attempt that begins end the one before it, whose end nobody reported', async () => {
    const ref = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' })]);
    await record(audit.store, [event(ref, { EventType: 'start', Attempt: 2 })]);
    const { batch, events } = await read(audit.store, ref);
    expect(events.map(({ EventType, Attempt }) => `${EventType} ${Attempt}`)).toEqual([
      'start 1',
      'lost 1',
      'start 2',
    ]);
    expect(batch.RetryCount).toBe(1);
  });

  it('keep an end that comes in just when the next attempt takes it for lost', async () => {
    const ref = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' }), event(ref, { RowsProcessed: 5 })]);
    // The next attempt looks for the end a moment before it is there.
    await audit.store.transaction((tx) => {
      const findEvents = async (eventIDs: readonly string[]): Promise<PipelineEvent[]> =>
        (await tx.findEvents(eventIDs)).filter(({ EventType }) => EventType === 'start');
      const ledger = new Ledger({ ...tx, findEvents }, NOW);
      return recordLive(ledger, [event(ref, { EventType: 'start', Attempt: 2 })]);
    });
    const events = await eventsOf(ref);
    expect(
      events.map(({ EventType, RowsProcessed, Message }) => [EventType, RowsProcessed, Message]),
    ).toEqual([
      ['start', null, null],
      ['success', 5, null],
      ['start', null, null],
    ]);
  });

  it('of a zombie replace the lost end, marked as late, and change nothing about the batch', async () => {
    const ref = await openOne();
    await record(audit.store, [event(ref, { EventType: 'start' })]);
    await record(audit.store, [event(ref, { EventType: 'start', Attempt: 2 })]);
    const { batch: before } = await read(audit.store, ref);
    await record(audit.store, [event(ref, { RowsProcessed: 7, Message: 'I did it' })]);
    const { batch, events } = await read(audit.store, ref);
    expect(batch).toEqual(before);
    const ends = events.filter(({ EventType, Attempt }) => EventType !== 'start' && Attempt === 1);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ EventType: 'success', RowsProcessed: 7, RetryStatus: 'retrying' });
    expect(ends[0]!.Message).toMatch(/^I did it \(late: /);
  });

  it('of a failure raise one alert, however often they are written', async () => {
    const ref = await openOne();
    const failure = event(ref, { EventType: 'failure', ErrorMessage: 'disk full', RetryStatus: 'exhausted' });
    await record(audit.store, [failure, failure]);
    await record(await audit.another(), [failure]);
    const { batch, alerts } = await read(audit.store, ref);
    expect(alerts).toMatchObject([
      { Rule: 'step-failed', EventID: failure.EventID, ResolvedAt: null, RaisedAt: NOW },
    ]);
    expect(batch).toMatchObject({ AlertTriggered: true, RetryStatus: 'exhausted', Status: 'Running' });
  });
});
