/** How often a worker asks Snowflake, where a statement costs a part of a second and is billed. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openRecorder } from '../support/recorder.js';
import { engine } from '../../src/engines/snowflake/index.js';
import { event, runStart } from '../support/rows.js';
import { givenSnowflake } from './snowflakeEndpoint.js';

const ACTIVITIES = 50;
const LONGEST_STEP_MS = 2_000;
const MEASURED_S = 12;
const MOST_PER_SECOND = 3;

const { endpoint, describeSnowflake } = await givenSnowflake({ statementMs: 100 });

describeSnowflake('a worker with 50 running activities', () => {
  it.each([
    ['that say nothing', null],
    ['of which each leaves a message on its batch', 'loaded'],
  ])(
    `%s makes at most ${MOST_PER_SECOND} statements a second`,
    async (_, Message) => {
      const store = await engine.openAuditStore({ url: endpoint.url });
      await store.migrate();
      const { recorder, close } = await openRecorder(store);
      let isOver = false;
      let steps = 0;
      const activity = async (): Promise<void> => {
        const ref = await recorder.open(runStart());
        for (let step = 1; !isOver; step++) {
          const of = { ActivityID: `${step}`, StepSequenceNum: step };
          await recorder.record([event(ref, { ...of, EventType: 'start' })]);
          await delay(Math.random() * LONGEST_STEP_MS);
          await recorder.record([event(ref, { ...of, Message })]);
          steps++;
        }
      };
      const activities = Array.from({ length: ACTIVITIES }, activity);
      // What a store may do at once, when it begins, is over by then.
      while (steps < ACTIVITIES) await delay(100);

      const before = (await endpoint.statements()).length;
      const stepsBefore = steps;
      const began = Date.now();
      await delay(MEASURED_S * 1000);
      // They go on, however busy the machine is.
      while (steps < stepsBefore + ACTIVITIES) await delay(100);
      const seconds = (Date.now() - began) / 1000;
      const statements = (await endpoint.statements()).length - before;
      const recorded = steps - stepsBefore;
      isOver = true;
      await Promise.all(activities);
      await close();

      expect(statements / seconds).toBeLessThanOrEqual(MOST_PER_SECOND);
      process.stderr.write(
        `Snowflake: ${(statements / seconds).toFixed(1)} statements/s for ${((recorded * 2) / seconds).toFixed(0)} events/s\n`,
      );
    },
    180_000,
  );
});
