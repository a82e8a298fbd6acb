/**
 * What a worker may take while the audit store takes no changes: tasks of workflows that are in its cache, which come by
 * the sticky queue, and activities; no first tasks of new runs. Before the store has answered once, no activity either:
 * it would wait for its batch while its timeouts go on.
 *
 * A guarded slot costs three calls from the SDK's core a task. So activities are guarded only in a worker that is made
 * while the store has not answered yet.
 */
import type {
  ActivitySlotInfo,
  CustomSlotSupplier,
  SlotInfo,
  SlotSupplier,
  WorkerOptions,
  WorkflowSlotInfo,
} from '@temporalio/worker';
import { FixedSlots } from './fixedSlots.js';
import type { Gate } from './gate.js';
import { GuardedSlots } from './guardedSlots.js';
import type { Guard } from './guardedSlots.js';

/** The SDK's own figures; options that give others exclude a tuner, and so are translated. */
const DEFAULTS = { workflowTasks: 40, activities: 100, pollers: 10 };
const FEWEST_WORKFLOW_TASKS = 2;

/** The worker's options with guarded slots; undefined where those of workflow tasks can't be guarded. */
export function withGuardedSlots(options: WorkerOptions, gate: Gate): WorkerOptions | undefined {
  const { tuner, maxCachedWorkflows } = options;
  const hasCache = maxCachedWorkflows !== 0;
  if (tuner) {
    if (!('workflowTaskSlotSupplier' in tuner)) return undefined;
    const workflowTasks = guardable<WorkflowSlotInfo>(tuner.workflowTaskSlotSupplier, (slots) =>
      workflowTaskSlots(slots, hasCache),
    );
    if (!workflowTasks) return undefined;
    return {
      ...options,
      tuner: {
        ...tuner,
        workflowTaskSlotSupplier: new GuardedSlots(workflowTasks, newRunsWait(gate)),
        activityTaskSlotSupplier: activitySlots(tuner.activityTaskSlotSupplier, gate),
      },
    };
  }
  const {
    maxConcurrentWorkflowTaskExecutions,
    maxConcurrentActivityTaskExecutions = DEFAULTS.activities,
    maxConcurrentLocalActivityExecutions,
    maxConcurrentNexusTaskExecutions,
    ...rest
  } = options;
  const workflowTasks = corrected(maxConcurrentWorkflowTaskExecutions, maxCachedWorkflows);
  const fixed = (numSlots: number = DEFAULTS.activities) => ({ type: 'fixed-size', numSlots }) as const;
  const polls = (slots: number = DEFAULTS.activities) =>
    ({ type: 'simple-maximum', maximum: Math.min(DEFAULTS.pollers, slots) }) as const;
  return {
    workflowTaskPollerBehavior: polls(workflowTasks),
    activityTaskPollerBehavior: polls(maxConcurrentActivityTaskExecutions),
    nexusTaskPollerBehavior: polls(maxConcurrentNexusTaskExecutions),
    ...rest,
    tuner: {
      workflowTaskSlotSupplier: new GuardedSlots(
        workflowTaskSlots(workflowTasks, hasCache),
        newRunsWait(gate),
      ),
      activityTaskSlotSupplier: activitySlots(fixed(maxConcurrentActivityTaskExecutions), gate),
      localActivityTaskSlotSupplier: fixed(maxConcurrentLocalActivityExecutions),
      nexusTaskSlotSupplier: fixed(maxConcurrentNexusTaskExecutions),
    },
  };
}

function newRunsWait(gate: Gate): Guard {
  return { mayPass: ({ isSticky }) => isSticky || gate.isOpen, opened: () => gate.opened() };
}

function allWaitOnce(gate: Gate): Guard {
  return { mayPass: () => gate.hasBeenOpen, opened: () => gate.opened() };
}

function activitySlots(own: SlotSupplier<ActivitySlotInfo>, gate: Gate): SlotSupplier<ActivitySlotInfo> {
  if (gate.hasBeenOpen) return own;
  const slots = guardable<ActivitySlotInfo>(own, (numSlots) => new FixedSlots(numSlots));
  return slots ? new GuardedSlots(slots, allWaitOnce(gate)) : own;
}

/** Half of them for new runs: those that were taken before the outage was noticed wait in their slots. */
function workflowTaskSlots(slots: number, hasCache: boolean): FixedSlots<WorkflowSlotInfo> {
  return new FixedSlots(slots, hasCache ? Math.ceil(slots / 2) : slots);
}

/** A supplier that can be asked from here; one that is resource-based lives in the SDK's core. */
function guardable<Info extends SlotInfo>(
  own: SlotSupplier<Info>,
  fixed: (slots: number) => FixedSlots<Info>,
): CustomSlotSupplier<Info> | undefined {
  if (own.type === 'resource-based') return undefined;
  return own.type === 'custom' ? own : fixed(own.numSlots);
}

/** As the SDK corrects it where a number is given. */
function corrected(wanted: number | undefined, cached: number | undefined): number {
  if (wanted === undefined) return DEFAULTS.workflowTasks;
  if (!cached) return wanted;
  return Math.max(FEWEST_WORKFLOW_TASKS, Math.min(wanted, cached));
}
