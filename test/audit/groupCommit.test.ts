import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AuditTransaction } from '../../src/engines/contract.js';
import { event, runStart } from '../contract/rows.js';
import { Looking } from './looking.js';

let audit: Looking;
beforeEach(async () => void (audit = await Looking.open()));
afterEach(() => audit.close());

it('events that come at once are one commit, those that come while it is written are the next one, and each answer comes when its own is durable', async () => {
  const ref = await audit.recorder.open(runStart());
  const releases: Array<() => void> = [];
  const transaction = audit.store.transaction.bind(audit.store);
  audit.store.transaction = async <T>(work: (tx: AuditTransaction) => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => releases.push(resolve));
    return transaction(work);
  };
  const durable = (): number =>
    audit.sql((db) => db.prepare('SELECT COUNT(*) FROM PipelineEvent').pluck().get()) as number;
  const answered: number[] = [];
  const writing = (from: number, count: number): Array<Promise<unknown>> =>
    Array.from({ length: count }, (_, index) =>
      audit.recorder
        .record([event(ref, { ActivityID: `${from + index}` })])
        .then(() => answered.push(durable())),
    );
  const first = writing(0, 20);
  await expect.poll(() => releases.length).toBe(1);
  const second = writing(20, 30);
  expect([answered.length, durable()]).toEqual([0, 0]);
  releases[0]!();
  await Promise.all(first);
  await expect.poll(() => releases.length).toBe(2);
  expect([answered.length, durable()]).toEqual([20, 20]);
  releases[1]!();
  await Promise.all(second);
  expect(answered).toEqual([...Array<number>(20).fill(20), ...Array<number>(30).fill(50)]);
  expect(releases).toHaveLength(2);
  audit.store.transaction = transaction;
});
