import type { Context } from '@temporalio/activity';

/**
 * Beats while the audit lets an attempt wait, before its code and after it: an outage of the audit's store must not cost
 * the attempt. What the activity said last is said again, because a next attempt may build on it.
 */
export class Heartbeats {
  #last: unknown;
  readonly #timeoutMs: number | undefined;
  readonly #beat: Context['heartbeat'];

  constructor(context: Context) {
    this.#timeoutMs = context.info.heartbeatTimeoutMs;
    this.#last = context.info.heartbeatDetails;
    this.#beat = context.heartbeat.bind(context);
    if (this.#timeoutMs === undefined) return;
    const heartbeat = (details?: unknown): void => {
      this.#last = details;
      this.#beat(details);
    };
    Object.assign(context, { heartbeat });
  }

  async during<T>(waiting: Promise<T>): Promise<T> {
    if (this.#timeoutMs === undefined) return waiting;
    const timer = setInterval(() => this.#beat(this.#last), this.#timeoutMs / 3);
    try {
      return await waiting;
    } finally {
      clearInterval(timer);
    }
  }
}
