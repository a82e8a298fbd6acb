/**
 * Keeps a worker from taking first workflow tasks while the gate is closed. Tasks of runs that are in its cache come by
 * the sticky queue, and pass.
 */
import type {
  CustomSlotSupplier,
  SlotMarkUsedContext,
  SlotPermit,
  SlotReleaseContext,
  SlotReserveContext,
  WorkerOptions,
  WorkflowSlotInfo,
} from '@temporalio/worker';
import type { Gate } from './gate.js';

type WorkflowSlots = CustomSlotSupplier<WorkflowSlotInfo>;

/** The SDK's own figures; options that give others exclude a tuner, and so are translated. */
const DEFAULTS = { workflowTasks: 40, activities: 100, pollers: 10 };
const FEWEST_WORKFLOW_TASKS = 2;

/** The worker's options with guarded workflow task slots; undefined where they can't be guarded. */
export function withGuardedSlots(options: WorkerOptions, gate: Gate): WorkerOptions | undefined {
  const { tuner } = options;
  if (tuner) {
    if (!('workflowTaskSlotSupplier' in tuner)) return undefined;
    const own = tuner.workflowTaskSlotSupplier;
    if (own.type === 'resource-based') return undefined;
    const inner = own.type === 'custom' ? own : new FixedSlots(own.numSlots);
    return { ...options, tuner: { ...tuner, workflowTaskSlotSupplier: new GuardedSlots(inner, gate) } };
  }
  const {
    maxConcurrentWorkflowTaskExecutions,
    maxConcurrentActivityTaskExecutions,
    maxConcurrentLocalActivityExecutions,
    maxConcurrentNexusTaskExecutions,
    ...rest
  } = options;
  const workflowTasks = workflowTaskSlots(maxConcurrentWorkflowTaskExecutions, options.maxCachedWorkflows);
  const fixed = (numSlots: number = DEFAULTS.activities) => ({ type: 'fixed-size', numSlots }) as const;
  const polls = (slots: number = DEFAULTS.activities) =>
    ({ type: 'simple-maximum', maximum: Math.min(DEFAULTS.pollers, slots) }) as const;
  return {
    workflowTaskPollerBehavior: polls(workflowTasks),
    activityTaskPollerBehavior: polls(maxConcurrentActivityTaskExecutions),
    nexusTaskPollerBehavior: polls(maxConcurrentNexusTaskExecutions),
    ...rest,
    tuner: {
      workflowTaskSlotSupplier: new GuardedSlots(new FixedSlots(workflowTasks), gate),
      activityTaskSlotSupplier: fixed(maxConcurrentActivityTaskExecutions),
      localActivityTaskSlotSupplier: fixed(maxConcurrentLocalActivityExecutions),
      nexusTaskSlotSupplier: fixed(maxConcurrentNexusTaskExecutions),
    },
  };
}

/** As the SDK corrects it where a number is given. */
function workflowTaskSlots(wanted: number | undefined, cached: number | undefined): number {
  if (wanted === undefined) return DEFAULTS.workflowTasks;
  if (!cached) return wanted;
  return Math.max(FEWEST_WORKFLOW_TASKS, Math.min(wanted, cached));
}

class GuardedSlots implements WorkflowSlots {
  readonly type = 'custom';

  constructor(
    readonly inner: WorkflowSlots,
    readonly gate: Gate,
  ) {}

  reserveSlot(context: SlotReserveContext, signal: AbortSignal): Promise<SlotPermit> {
    if (this.#mayPass(context)) return this.inner.reserveSlot(context, signal);
    return unlessAborted(this.gate.opened(), signal).then(() => this.reserveSlot(context, signal));
  }

  tryReserveSlot(context: SlotReserveContext): SlotPermit | null {
    return this.#mayPass(context) ? this.inner.tryReserveSlot(context) : null;
  }

  #mayPass({ isSticky }: SlotReserveContext): boolean {
    return isSticky || this.gate.isOpen;
  }

  markSlotUsed(context: SlotMarkUsedContext<WorkflowSlotInfo>): void {
    this.inner.markSlotUsed(context);
  }

  releaseSlot(context: SlotReleaseContext<WorkflowSlotInfo>): void {
    this.inner.releaseSlot(context);
  }
}

/** A fixed number of slots, first come, first served. */
class FixedSlots implements WorkflowSlots {
  readonly type = 'custom';
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(slots: number) {
    this.#free = slots;
  }

  async reserveSlot(_: SlotReserveContext, signal: AbortSignal): Promise<SlotPermit> {
    if (this.#free > 0) {
      this.#free--;
      return {};
    }
    let given!: () => void;
    const turn = new Promise<void>((resolve) => (given = resolve));
    this.#waiting.add(given);
    try {
      await unlessAborted(turn, signal);
      return {};
    } catch (error) {
      // Given in the very moment when it was no longer wanted: it goes to the next one.
      if (!this.#waiting.delete(given)) this.releaseSlot();
      throw error;
    }
  }

  tryReserveSlot(): SlotPermit | null {
    if (this.#free === 0) return null;
    this.#free--;
    return {};
  }

  markSlotUsed(): void {}

  releaseSlot(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

/** The SDK expects the signal's own reason. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
  });
}
