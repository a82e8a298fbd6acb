/** Which chunks of an extraction are staged, while it goes on: the workflow knows, and is asked when one is missing. */
import { Context } from '@temporalio/activity';
import { isGrpcDeadlineError } from '@temporalio/client';
import type { StagedChunk } from '../domain/transfer.js';
import { STAGED_QUERY } from '../domain/transfer.js';
import { pause } from './pause.js';

const ASK_MS = 250;
/** A target's transaction must not stay open for a source that is slow, or for steps that find no worker. */
const PATIENCE_MS = 60_000;

/** The wait for an object has been too long. */
export class StillMissing extends Error {
  constructor(readonly object: string) {
    super(`${object} is not staged yet`);
  }
}

export class StagedChunks {
  readonly #known = new Map<string, StagedChunk>();

  constructor(
    readonly extraction: string,
    readonly signal: AbortSignal,
  ) {}

  /** As soon as it is staged. Throws `StillMissing` when nothing new comes for a while. */
  async get(object: string): Promise<StagedChunk> {
    let deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = this.#known.get(object);
      if (found) return found;
      const news = await this.#ask();
      for (const chunk of news) this.#known.set(chunk.object, chunk);
      if (news.length > 0) deadline = Date.now() + PATIENCE_MS;
      else if (Date.now() > deadline) throw new StillMissing(object);
      else await pause(ASK_MS, this.signal);
      this.signal.throwIfAborted();
    }
  }

  async #ask(): Promise<StagedChunk[]> {
    const { client, info } = Context.current();
    const { workflowId, runId } = info.workflowExecution!;
    return client.workflow
      .getHandle(workflowId, runId)
      .query<StagedChunk[], [string, number]>(STAGED_QUERY, this.extraction, this.#known.size)
      .catch((error: unknown) => {
        // No worker has the workflow at hand, or it is held back while the audit's store is away.
        if (isGrpcDeadlineError(error)) return [];
        throw error;
      });
  }
}
