/** Plays an ending on both workers and compares what came of it with what must. */
import assert from 'node:assert/strict';
import type { BatchRecord } from '../../src/domain/model.js';
import type { Ending } from './ending.js';
import { observe, readBatches } from './observe.js';
import type { Observed } from './observe.js';
import type { Scene, Stage } from './stage.js';

export interface Performance {
  readonly observed: Observed[];
  /** How many events the audited history has more than the other; workflow tasks depend on timing and do not count. */
  readonly historyAdds: number | undefined;
}

export async function perform(stage: Stage, ending: Ending): Promise<Performance> {
  const audited = stage.scene(ending.name, 'audited');
  const plain = ending.alone ? undefined : stage.scene(ending.name, 'plain');
  const [ids, plainIds] = await Promise.all([ending.play(audited), plain ? ending.play(plain) : []]);
  try {
    const observed = await settled(audited, ids, ending);
    if (isDeepEqual(observed, ending.expected)) ending.check?.(await rowsOf(audited, ids), audited);
    const historyAdds = plain
      ? (await countEvents(audited, ids)) - (await countEvents(plain, plainIds))
      : undefined;
    return { observed, historyAdds };
  } finally {
    await ending.after?.(audited);
    if (plain) await ending.after?.(plain);
  }
}

async function rowsOf({ stage }: Scene, ids: string[]): Promise<BatchRecord[]> {
  return (await Promise.all(ids.map((id) => readBatches(stage.reader, id)))).flat();
}

/** The rows once they are what they must be, or what they were at last. */
async function settled(scene: Scene, ids: string[], ending: Ending): Promise<Observed[]> {
  const isAsExpected = async (): Promise<boolean> => {
    const rows = await rowsOf(scene, ids);
    if (!isDeepEqual(rows.map(observe), ending.expected)) return false;
    try {
      ending.check?.(rows, scene);
      return true;
    } catch {
      return false;
    }
  };
  await scene.until('the rows say it', isAsExpected).catch(() => undefined);
  return (await rowsOf(scene, ids)).map(observe);
}

export function isDeepEqual(actual: unknown, expected: unknown): boolean {
  try {
    assert.deepEqual(actual, expected);
    return true;
  } catch {
    return false;
  }
}

const WORKFLOW_TASK_EVENTS = ['5', '6', '7', '8', '9'];

async function countEvents(scene: Scene, ids: string[]): Promise<number> {
  let count = 0;
  for (const id of ids) {
    const events = await scene.history(id);
    count += events.filter(({ type }) => !WORKFLOW_TASK_EVENTS.includes(type)).length;
  }
  return count;
}
