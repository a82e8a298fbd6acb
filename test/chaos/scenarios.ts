/** What happens to the runs: all the ways in which a run can go and end. */
import type { ActivityOptions } from '@temporalio/workflow';
import type { StepInput } from './activities.js';
import type { Dice } from '../support/dice.js';
import type { Play } from './play.js';

export type Scenario = (play: Play, dice: Dice) => Promise<void>;

const LONG: StepInput = { ms: 8_000 };

const attempts = (maximumAttempts: number): Pick<ActivityOptions, 'retry'> => ({
  retry: { maximumAttempts, initialInterval: '100ms', backoffCoefficient: 1 },
});

function steps(dice: Dice, most: number): StepInput[] {
  return Array.from({ length: dice.between(1, most) }, () => ({ ms: dice.between(5, 300), rows: 2 }));
}

export const SCENARIOS: Record<string, Scenario> = {
  async success(play, dice) {
    await play.start('pipeline', [[steps(dice, 2), steps(dice, 4), steps(dice, 2)]]);
    await play.ended();
  },
  async recovery(play, dice) {
    await play.start('pipeline', [[[{ failures: dice.between(1, 4), ms: 60 }], steps(dice, 2)]]);
    await play.ended();
  },
  async exhausted(play) {
    await play.start('pipeline', [[[{}], [{ failures: 99 }]], attempts(3)]);
    await play.ended();
  },
  async nonRetryable(play) {
    await play.start('pipeline', [[[{ failures: 99, nonRetryable: true }, { ms: 400 }]]]);
    await play.ended();
  },
  async goesOn(play, dice) {
    await play.start('tolerant', [[{ failures: 99 }, ...steps(dice, 3)], attempts(2)]);
    await play.ended();
  },
  async startToClose(play) {
    await play.start('pipeline', [[[{ stuck: 1 }], [{}]], { startToCloseTimeout: '700ms' }]);
    await play.ended();
  },
  async startToCloseForGood(play) {
    const options = { startToCloseTimeout: '700ms', ...attempts(2) };
    await play.start('pipeline', [[[{ stuck: 99 }]], options]);
    await play.ended();
  },
  async heartbeatTimeout(play) {
    await play.start('pipeline', [[[{ stuck: 1, silent: true }]], { heartbeatTimeout: '600ms' }]);
    await play.ended();
  },
  async cancelled(play, dice) {
    await play.start('pipeline', [[steps(dice, 1), [LONG, LONG]]]);
    await play.stepRuns();
    await play.cancel();
    await play.ended();
  },
  async terminated(play, dice) {
    await play.start('pipeline', [[steps(dice, 3), [LONG]]]);
    await play.stepRuns();
    await play.terminate();
  },
  async terminatedBetweenTries(play, dice) {
    await play.start('pipeline', [[[{ failures: 99, ms: 20 }]]]);
    await play.stepRuns();
    await play.pause(dice.between(0, 600));
    await play.terminate();
  },
  /** No worker ever sees it. */
  async terminatedBeforeItsFirstTask(play) {
    await play.start('pipeline', [[[{}]]], { startDelay: '1h' });
    await play.terminate();
  },
  async workflowTimeout(play, dice) {
    await play.start('pipeline', [[steps(dice, 1), [LONG]]], { workflowRunTimeout: '3s' });
    await play.ended();
  },
  async continueAsNew(play, dice) {
    await play.start('continuing', [dice.between(2, 4)]);
    await play.ended();
  },
  async children(play, dice) {
    await play.start('parent', [[...steps(dice, 3), { failures: dice.between(0, 4) }]]);
    await play.ended();
  },
  async parentTerminated(play) {
    await play.start('parent', [[LONG, LONG]]);
    await play.stepRuns();
    await play.terminate();
  },
  async resetWhileStepRuns(play, dice) {
    await play.start('pipeline', [[[{}], [{}], [{ ms: 1_500 }, { ms: 1_000 }], steps(dice, 2)]]);
    await play.stepRuns();
    await play.reset(dice);
    await play.ended();
  },
  async resetWhileWaiting(play, dice) {
    await play.start('gated', [steps(dice, 3), steps(dice, 2)]);
    await play.tasksDone(2);
    await play.reset(dice);
    if (dice.chance(0.4)) await play.reset(dice);
    await play.proceed();
    await play.ended();
  },
  async resetWhenCompleted(play, dice) {
    await play.start('pipeline', [[steps(dice, 2), steps(dice, 2), steps(dice, 2)]]);
    await play.ended();
    await play.reset(dice);
    await play.ended();
    if (dice.chance(0.3)) {
      await play.reset(dice);
      await play.ended();
    }
  },
  async resetWhenFailed(play, dice) {
    await play.start('pipeline', [[steps(dice, 2), [{ failures: 2 }]], attempts(2)]);
    await play.ended();
    await play.reset(dice);
    await play.ended();
  },
  async resetThenTerminated(play, dice) {
    await play.start('pipeline', [[steps(dice, 2), [LONG]]]);
    await play.stepRuns();
    await play.reset(dice);
    await play.pause(dice.between(0, 300));
    await play.terminate();
  },
};
