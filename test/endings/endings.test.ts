import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporalAddress, temporalCli } from '../support/temporal.js';
import { endings } from './catalog/index.js';
import { perform } from './perform.js';
import { Stage } from './stage.js';

let stage: Stage;
beforeAll(
  async () => void (stage = await Stage.open({ address: temporalAddress(), temporalCli: temporalCli() })),
);
afterAll(() => stage.close());

describe.concurrent('the audit of', () => {
  it.each(endings.map((ending) => [ending.name, ending] as const))(
    '%s',
    async (_name, ending) => {
      const { observed, historyAdds } = await perform(stage, ending);
      expect(observed).toEqual(ending.expected);
      expect(historyAdds ?? 0).toBe(0);
    },
    180_000,
  );
});
