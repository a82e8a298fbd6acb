import { afterEach, describe, expect, it } from 'vitest';
import type { PipelineEvent } from '../../src/domain/model.js';
import type { AuditStore } from '../../src/engines/contract.js';
import { everyEngine, unique } from './engines.js';
import { event, open, openAll, read, record, runHistory, runStart, settle } from './rows.js';

/** Around the moments at which clocks are changed somewhere, and at the ends of what people mean. */
const INSTANTS = [
  '1970-01-01T00:00:00.000Z',
  '1999-12-31T23:59:59.999Z',
  '2024-02-29T12:00:00.001Z',
  // New York: 02:30 is skipped, and 01:30 comes twice.
  '2026-03-08T06:59:59.999Z',
  '2026-03-08T07:00:00.000Z',
  '2026-03-08T07:30:00.123Z',
  '2026-11-01T05:30:00.010Z',
  '2026-11-01T06:30:00.010Z',
  // Berlin.
  '2026-03-29T00:59:59.999Z',
  '2026-03-29T01:00:00.000Z',
  '2026-10-25T00:30:00.100Z',
  '2026-10-25T01:30:00.100Z',
  // Lord Howe changes by half an hour.
  '2026-04-04T14:45:00.007Z',
  '2026-04-04T15:15:00.007Z',
  '9999-12-31T23:59:59.999Z',
].sort();
const ZONES = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC'];

everyEngine('times', ({ audit, ifAble }) => {
  const zone = process.env['TZ'];
  afterEach(() => setZone(zone));

  it('are kept to the millisecond, whatever the time zone of the process that writes or reads', async () => {
    for (const [index, writerZone] of ZONES.entries()) {
      setZone(writerZone);
      const { logID, events } = await writeAll(await audit.another());
      setZone(ZONES[(index + 1) % ZONES.length]);
      const shown = (await (await audit.reader()).batch(logID))!;
      expect(shown.events.map(({ EventTime }) => EventTime)).toEqual(INSTANTS);
      expect(shown.events).toEqual(events);
    }
  });

  it('of a batch, a run and an alert are kept to the millisecond', async () => {
    setZone('America/New_York');
    const [StartTime, ScheduledTime, end, now] = [3, 6, 10, 12].map((index) => INSTANTS[index]!);
    const start = runStart({ StartTime: StartTime!, ScheduledTime: ScheduledTime! });
    const ref = await open(audit.store, start);
    await settle(audit.store, [runHistory(start, { status: 'Error', time: end! })], now);
    const expected = {
      batch: {
        StartTime,
        ScheduledTime,
        EndTime: end,
        DurationMs: Date.parse(end!) - Date.parse(StartTime!),
      },
      runs: [{ StartTime, EndTime: end, CertifiedAt: now }],
      alerts: [{ RaisedAt: now, ResolvedAt: null }],
    };
    setZone('Asia/Kathmandu');
    expect(await read(audit.store, ref)).toMatchObject(expected);
    expect(await (await audit.reader()).batch(ref.LogID)).toMatchObject(expected);
  });

  it('stand in the table in UTC', async () => {
    setZone('America/New_York');
    const StartTime = '2026-07-01T00:59:58.765Z';
    const { LogID } = await open(audit.store, runStart({ StartTime }));
    const [row] = await audit.place.run(
      `SELECT CAST(StartTime AS VARCHAR(40)) AS shown FROM ${audit.place.table('PipelineLog')} WHERE LogID = ${LogID}`,
    );
    expect(String(row!['shown']).replace('T', ' ')).toMatch(/^2026-07-01 00:59:58\.765/);
  });

  it('limit a list at the same moment in every time zone', async () => {
    const pipeline = unique('zones');
    const refs = await openAll(
      audit.store,
      INSTANTS.map((StartTime) => runStart({ StartTime, PipelineName: pipeline })),
    );
    for (const zone of ZONES.slice(0, 2)) {
      setZone(zone);
      const reader = await audit.reader();
      for (const index of [4, 7, 10, 13]) {
        const found = await reader.batches({ pipeline, since: INSTANTS[index - 2], until: INSTANTS[index] });
        const expected = INSTANTS.map((time, at) => ({ time, LogID: refs[at]!.LogID }))
          .filter(({ time }) => time >= INSTANTS[index - 2]! && time < INSTANTS[index]!)
          .sort((a, b) => (a.time < b.time ? 1 : -1));
        expect(found.map(({ LogID, StartTime }) => ({ time: StartTime, LogID }))).toEqual(expected);
      }
    }
  });

  describe('of a server', () => {
    ifAble('serverTimeZone', 'in another time zone are the same', async () => {
      const login = await audit.place.worker!();
      for (const zone of ['America/New_York', 'Australia/Lord_Howe']) {
        await login.setTimeZone(zone);
        const { logID, events } = await writeAll(await audit.another(login.url));
        expect((await read(audit.store, { LogID: logID })).events).toEqual(events);
        const shown = (await (await audit.reader(login.url)).batch(logID))!;
        expect(shown.events).toEqual(events);
        const { rows } = await (
          await audit.reader(login.url)
        ).query(
          `SELECT EventTime AS at FROM ${audit.place.schema}.PipelineEvent WHERE EventID = '${events[3]!.EventID}'`,
        );
        expect(String(Object.values(rows[0]!)[0]).replace(' ', 'T')).toContain('2026-03-08T06:59:59.999');
      }
    });
  });
});

function setZone(zone: string | undefined): void {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
}

async function writeAll(store: AuditStore): Promise<{ logID: number; events: PipelineEvent[] }> {
  const ref = await open(store, runStart());
  const events = INSTANTS.map((EventTime, index) =>
    event(ref, { EventTime, ActivityID: `${index}`, NextRetryTime: EventTime }),
  );
  await record(store, events);
  return { logID: ref.LogID, events };
}
