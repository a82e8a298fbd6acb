/** Reads the histories that batches are held against: of any namespace, and telling what was erased from what is wrong. */
import type { PipelineLog, PipelineRun } from '../domain/model.js';
import type { RunHistory } from './history.js';
import { HISTORIES_AT_ONCE, RateLimit } from './rateLimit.js';
import { isDenied, isNotFound } from './temporalReader.js';
import type { TemporalReader } from './temporalReader.js';
import { unknownRun, wasErased } from './unknownRun.js';

/** A person waits for these reads, and asks for them now and then: more of them than where nobody does. */
const PER_SECOND = 200;
/** What Temporal has most likely erased costs it little: it only finds that it has nothing. */
const COST_OF_ERASED = 0.1;

/** A history, or that Temporal has erased it, or why it must have it and has not. */
export type Found =
  { readonly history: RunHistory } | { readonly history: undefined; readonly problem: string | undefined };

interface Place {
  readonly temporal: TemporalReader;
  /** Undefined where Temporal does not know the namespace, or does not let us read it. */
  readonly retentionMs: Promise<number | undefined>;
}

export class ProvenHistories {
  readonly #places = new Map<string, Place>();

  constructor(
    readonly temporal: TemporalReader,
    readonly rate = new RateLimit(PER_SECOND, HISTORIES_AT_ONCE),
  ) {}

  async find({ Namespace, WorkflowID }: PipelineLog, run: PipelineRun): Promise<Found> {
    const { temporal, retentionMs } = this.#placeOf(Namespace ?? this.temporal.namespace);
    const { namespace } = temporal;
    const keptMs = await retentionMs;
    if (keptMs === undefined) {
      return nothing(
        `run ${run.RunID} is of the namespace ${namespace}, which this Temporal does not have, or does not let this user read. Check TEMPORAL_ADDRESS`,
      );
    }
    const isOld = wasErased(run, keptMs);
    await this.rate.take(undefined, isOld ? COST_OF_ERASED : 1);
    try {
      return { history: await temporal.history({ WorkflowID: WorkflowID ?? '', RunID: run.RunID }) };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return nothing(isOld ? undefined : unknownRun(run, namespace));
    }
  }

  #placeOf(namespace: string): Place {
    let place = this.#places.get(namespace);
    if (!place) {
      const temporal = this.temporal.inNamespace(namespace);
      const isOwn = namespace === this.temporal.namespace;
      // Without its own namespace, nothing can be verified.
      place = { temporal, retentionMs: isOwn ? temporal.retentionMs() : ifReadable(temporal) };
      this.#places.set(namespace, place);
    }
    return place;
  }
}

function nothing(problem: string | undefined): Found {
  return { history: undefined, problem };
}

async function ifReadable(temporal: TemporalReader): Promise<number | undefined> {
  try {
    return await temporal.retentionMs();
  } catch (error) {
    if (isNotFound(error) || isDenied(error)) return undefined;
    throw error;
  }
}
