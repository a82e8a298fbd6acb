/**
 * Numbers for whoever has installed an OpenTelemetry SDK; without one they cost nothing. Made when they are first needed,
 * because a meter that is asked for before the SDK is there stays silent.
 */
import { metrics } from '@opentelemetry/api';
import type { Attributes, ObservableGauge } from '@opentelemetry/api';

type Gauges = 'outboxDepth' | 'outboxAge' | 'openBatches' | 'reconcilerLag';

/** What is asked for when somebody reads the numbers; undefined while there is nothing to tell. */
export type Reading = () => number | undefined | Promise<number | undefined>;

let known: ReturnType<typeof instruments> | undefined;

export function auditMetrics(): ReturnType<typeof instruments> {
  return (known ??= instruments());
}

function instruments() {
  const meter = metrics.getMeter('batchtrail');
  const gauges: Record<Gauges, ObservableGauge> = {
    outboxDepth: meter.createObservableGauge('batchtrail.outbox.depth', {
      description: 'Changes that wait in the outbox',
    }),
    outboxAge: meter.createObservableGauge('batchtrail.outbox.age', {
      description: 'Since when the oldest of them waits',
      unit: 's',
    }),
    openBatches: meter.createObservableGauge('batchtrail.batches.open', {
      description: 'Runs that have not ended, of those that have a row',
    }),
    reconcilerLag: meter.createObservableGauge('batchtrail.reconciler.lag', {
      description: 'Since when no run that closed has been looked for',
      unit: 's',
    }),
  };
  return {
    eventsWritten: meter.createCounter('batchtrail.events.written', {
      description: 'Events that workers saw, and that are in the audit store',
    }),
    flushSize: meter.createHistogram('batchtrail.flush.size', { description: 'Changes in one group commit' }),
    flushDuration: meter.createHistogram('batchtrail.flush.duration', {
      description: 'Time of one group commit',
      unit: 'ms',
    }),
    certificates: meter.createCounter('batchtrail.certificates', { description: 'Runs that were certified' }),
    gapsHealed: meter.createCounter('batchtrail.gaps.healed', {
      description: 'Events that no worker wrote, and that were added from history',
    }),
    /** Answers how to stop it. */
    observe(gauge: Gauges, read: Reading, attributes?: Attributes): () => void {
      const callback: Parameters<ObservableGauge['addCallback']>[0] = async (result) => {
        const value = await read();
        if (value !== undefined) result.observe(value, attributes);
      };
      gauges[gauge].addCallback(callback);
      return () => gauges[gauge].removeCallback(callback);
    },
  };
}
