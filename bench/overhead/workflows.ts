import { proxyActivities } from '@temporalio/workflow';

const { noop } = proxyActivities<{ noop(): Promise<void> }>({ startToCloseTimeout: '1 minute' });

export async function fiveSteps(): Promise<void> {
  for (let step = 0; step < 5; step++) await noop();
}
