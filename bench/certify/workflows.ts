import { proxyActivities } from '@temporalio/workflow';

const { noop } = proxyActivities<{ noop(): Promise<void> }>({ startToCloseTimeout: '1 minute' });

export async function steps(count: number): Promise<void> {
  for (let step = 0; step < count; step++) await noop();
}
