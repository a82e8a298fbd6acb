/**
 * The workers that are compared: nothing, Batchtrail, the same until every run is certified, and the SDK's own
 * OpenTelemetry interceptors.
 */
import { Resource } from '@opentelemetry/resources';
import { BatchSpanProcessor, InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry/lib/plugin.js';
import type { BundlerPlugin, WorkerPlugin } from '@temporalio/worker';
import { BatchtrailPlugin } from '../../src/index.js';

export const VARIANTS = ['plain', 'batchtrail', 'certified', 'opentelemetry'] as const;
export type Variant = (typeof VARIANTS)[number];

type Plugin = WorkerPlugin & BundlerPlugin;

export function pluginsOf(variant: Variant, auditUrl: string): Plugin[] {
  if (isAudited(variant)) return [new BatchtrailPlugin({ audit: { url: auditUrl } })];
  if (variant === 'opentelemetry') {
    // Spans are made and batched as in production, and then kept in memory: sending them would cost more.
    const spanProcessor = new BatchSpanProcessor(new InMemorySpanExporter());
    return [new OpenTelemetryPlugin({ resource: new Resource({ 'service.name': 'bench' }), spanProcessor })];
  }
  return [];
}

export function isAudited(variant: Variant): boolean {
  return variant === 'batchtrail' || variant === 'certified';
}
