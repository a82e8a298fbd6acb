/**
 * Numbers for whoever has installed an OpenTelemetry SDK; without one they cost nothing. Made when they are first needed,
 * because a meter that is asked for before the SDK is there stays silent.
 */
import { metrics } from '@opentelemetry/api';
import type { BatchObservableCallback, ObservableGauge } from '@opentelemetry/api';

type Gauge = 'outboxDepth' | 'outboxAge' | 'openBatches' | 'reconcilerLag';

/** Of each gauge: undefined while nobody knows. A collector goes on showing what it was told last. */
export type Readings<G extends Gauge> = Readonly<Record<G, number | undefined>>;

let known: ReturnType<typeof instruments> | undefined;

export function auditMetrics(): ReturnType<typeof instruments> {
  return (known ??= instruments());
}

function instruments() {
  const meter = metrics.getMeter('batchtrail');
  const gauges: Record<Gauge, ObservableGauge> = {
    outboxDepth: meter.createObservableGauge('batchtrail.outbox.depth', {
      description: 'Changes that are in the outbox, those that the store refused included',
    }),
    outboxAge: meter.createObservableGauge('batchtrail.outbox.age', {
      description: 'Since when the oldest of them is there',
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
    /** `read` is asked each time when somebody collects the numbers, and never in between. Answers how to stop it. */
    observe<G extends Gauge>(
      names: readonly G[],
      read: () => Readings<G> | Promise<Readings<G>>,
    ): () => void {
      const observed = names.map((name) => gauges[name]);
      const callback: BatchObservableCallback = async (result) => {
        const readings = await read();
        for (const name of names) {
          const value = readings[name];
          if (value !== undefined) result.observe(gauges[name], value);
        }
      };
      meter.addBatchObservableCallback(callback, observed);
      return () => meter.removeBatchObservableCallback(callback, observed);
    },
  };
}
