/** What users' errors and messages may hold, and what must never come through. */
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batch } from '../../src/index.js';
import { readBatches } from '../endings/observe.js';
import { Stage, workflowsPath } from '../endings/stage.js';
import { temporalAddress, temporalCli } from '../support/temporal.js';

const PASSWORD = 'sw0rdfish-of-secrets';
const URL_WITH_PASSWORD = `postgres://loader:${PASSWORD}@db.example:5432/erp`;
const MEGABYTES = 5 * 1024 * 1024;

const texts: Record<string, string> = {
  quotes: `it's "quoted" \`and\` [bracketed]; DROP TABLE PipelineLog; --`,
  'new lines': 'first\nsecond\r\nthird\ttabbed',
  'four-byte characters': 'Grüße 😀 𝒳 漢字',
  '5 MB': 'x'.repeat(MEGABYTES),
};

let stage: Stage;
let shutDown: () => Promise<void>;
const said = new Map<string, string>();
const logged: string[] = [];

beforeAll(async () => {
  stage = await Stage.open({ address: temporalAddress(), temporalCli: temporalCli() }, (line) =>
    logged.push(line),
  );
  shutDown = await stage.startWorker({
    taskQueue: 'texts',
    workflowsPath,
    plugins: [stage.plugin()],
    activities: {
      async step({ broken: name }: { broken: string }) {
        const text = said.get(name)!;
        batch().message(text);
        batch().log('said', { message: text });
        throw ApplicationFailure.nonRetryable(text, 'Fault');
      },
    },
  });
});
afterAll(async () => {
  await shutDown();
  await stage.close();
});

async function fail(name: string, text: string) {
  const scene = stage.scene(name, 'audited');
  said.set(name, text);
  await stage.client.workflow
    .execute('oneStep', { taskQueue: 'texts', workflowId: scene.workflowId, args: [{ broken: name }] })
    .catch(() => undefined);
  const rows = await scene.until('the batch is closed', async () => {
    const [only] = await readBatches(stage.reader, scene.workflowId);
    return only?.batch.Status === 'Error' && only;
  });
  return { rows, scene };
}

describe('an error text', () => {
  it.each(Object.entries(texts))('with %s is stored as it is', async (name, text) => {
    const { rows } = await fail(name, text);
    const event = (type: string) => rows.events.find(({ EventType }) => EventType === type)!;
    expect(event('failure').ErrorMessage === text).toBe(true);
    expect(event('failure').Message === text).toBe(true);
    expect(event('info').Message === text).toBe(true);
    expect(rows.batch.CustomMessage === text).toBe(true);
    if (text.length > 100_000) {
      expect(rows.batch.ErrorMessage).toMatch(
        /shortened from 5242880 characters; the whole text is in the step's event/,
      );
    }
    const alert = rows.alerts.find(({ Rule }) => Rule === 'step-failed')!;
    if (text.length < 4_000) expect(alert.Message).toContain(text);
    else expect(alert.Message).toMatch(/shortened from \d+ characters; the whole text is in ErrorMessage/);
  });

  it('with NUL and half surrogate pairs is stored with signs for them', async () => {
    const { rows } = await fail('unstorable', 'a\0b\uD800c');
    expect(rows.events.find(({ EventType }) => EventType === 'failure')!.ErrorMessage).toBe(
      'a\u2400b\uFFFDc',
    );
  });
});

describe('a password in a connection URL', () => {
  it('appears in no row, no history and no log line', async () => {
    const { rows, scene } = await fail('password', `can't connect to ${URL_WITH_PASSWORD}: timeout`);
    const event = rows.events.find(({ EventType }) => EventType === 'failure')!;
    expect(event.ErrorMessage).toBe("can't connect to postgres://loader:***@db.example:5432/erp: timeout");
    expect(JSON.stringify(rows)).not.toContain(PASSWORD);
    const history = await stage.client.workflow.getHandle(scene.workflowId).fetchHistory();
    expect(JSON.stringify(history)).not.toContain(PASSWORD);
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.join('\n')).not.toContain(PASSWORD);
  });
});
