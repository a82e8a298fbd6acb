/** What becomes of inputs beside their digests. */
export interface InputPolicy {
  /** Keeps them in the audit, so that a batch can be replayed when Temporal has erased its history. Default: false. */
  readonly keep?: boolean | undefined;
  /** Keys whose values are hidden where an input is kept or shown, beside those that name a secret by themselves. */
  readonly redact?: readonly string[] | undefined;
}
