/** A server that tests run against. It is gone when the process that started it is gone. */
export interface Endpoint {
  /** Where it is, in the words of `audit.url`. */
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Why an endpoint can't run on this machine: not a failure, and said to whoever looks at the results. */
export class NotOnThisMachine extends Error {
  override readonly name = 'NotOnThisMachine';
}
