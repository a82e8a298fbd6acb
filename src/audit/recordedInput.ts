/**
 * A run's input as the audit has it: its digest always, and itself where the configuration says so. The payloads are those
 * that Temporal holds, so what a codec has encrypted stays so.
 */
import { hash } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import type { InputPolicy } from '../domain/inputPolicy.js';
import type { BatchRecord, PipelineEvent, PipelineRun } from '../domain/model.js';
import { NO_DETAILS } from '../domain/model.js';
import { redact } from '../domain/redact.js';
import { eventID } from './eventID.js';

export interface RunInput {
  readonly digest: string;
  /** Undefined when it is not to be kept. */
  readonly kept: string | undefined;
}

/** Longer ones are not kept: they would weigh on every read of their batch. */
const LONGEST_INPUT = 65_536;

export function runInput(payloads: readonly Payload[], { keep = false, redact = [] }: InputPolicy): RunInput {
  const text = inputText(payloads);
  const kept = keep && text.length <= LONGEST_INPUT ? redactedText(payloads, redact) : undefined;
  return { digest: inputDigest(text), kept };
}

export function inputDigest(text: string): string {
  return hash('sha256', text);
}

/** The payloads as JSON: bytes that are UTF-8 stand as a text, others in base64. */
export function inputText(payloads: readonly Payload[]): string {
  return JSON.stringify(
    payloads.map(({ metadata, data }) => ({
      // The server does not keep their order.
      metadata: Object.fromEntries(
        Object.entries(metadata ?? {})
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => [name, textOf(value)]),
      ),
      data: textOf(data),
    })),
  );
}

type Bytes = string | { readonly base64: string };

/** The payloads again; throws when the text is none of `inputText`. */
export function inputPayloads(text: string): Payload[] {
  const parsed = JSON.parse(text) as Array<{ metadata: Record<string, Bytes>; data: Bytes }>;
  return parsed.map(({ metadata, data }) => ({
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, bytesOf(value)])),
    data: bytesOf(data),
  }));
}

function textOf(bytes: Uint8Array | null | undefined): Bytes {
  const buffer = Buffer.from(bytes ?? []);
  const text = buffer.toString('utf8');
  return Buffer.from(text, 'utf8').equals(buffer) ? text : { base64: buffer.toString('base64') };
}

function bytesOf(value: Bytes): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value.base64, 'base64');
}

const SECRET =
  /(?:password|passwd|passphrase|passcode|pwd|secret|token|credentials?|authorization|(?:api|private|secret|access|account|shared|signing|encryption)key)$/;
const HIDDEN = '***';

/** The same with `***` for what must not be read by everybody. */
export function redactedText(payloads: readonly Payload[], keys: readonly string[]): string {
  const hidden = new Set(keys.map(plain));
  const isSecret = (key: string): boolean => hidden.has(plain(key)) || SECRET.test(plain(key));
  return redact(inputText(payloads.map((payload) => redactedPayload(payload, isSecret))));
}

/** `api_key`, `API-Key` and `apiKey` are the same. */
function plain(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, '');
}

function redactedPayload(payload: Payload, isSecret: (key: string) => boolean): Payload {
  const encoding = Buffer.from(payload.metadata?.['encoding'] ?? []).toString();
  if (encoding.startsWith('json/')) return redactedJson(payload, isSecret);
  // What has no keys can't be told apart; what a codec made is its own business.
  const isReadable = encoding === 'binary/plain' || encoding === 'binary/protobuf';
  return isReadable ? { ...payload, data: Buffer.from(HIDDEN) } : payload;
}

function redactedJson(payload: Payload, isSecret: (key: string) => boolean): Payload {
  let found = false;
  const hide = (key: string, value: unknown): unknown => {
    if (value === null || !isSecret(key)) return value;
    found = true;
    return HIDDEN;
  };
  try {
    const value: unknown = JSON.parse(Buffer.from(payload.data ?? []).toString('utf8'), hide);
    return found ? { ...payload, data: Buffer.from(JSON.stringify(value)) } : payload;
  } catch {
    return { ...payload, data: Buffer.from(HIDDEN) };
  }
}

/** The event that keeps a batch's input: hashed, sealed and removed with the others. */
export function inputEvent(
  { LogID, RunID }: Pick<PipelineRun, 'LogID' | 'RunID'>,
  startTime: string,
  text: string,
): PipelineEvent {
  return {
    ...NO_DETAILS,
    EventID: inputEventID(RunID),
    LogID,
    RunID,
    StepName: 'input',
    StepSequenceNum: null,
    ActivityID: null,
    Attempt: null,
    EventType: 'info',
    EventTime: startTime,
    Message: text,
    Witness: 'history',
  };
}

function inputEventID(runID: string): string {
  return eventID(runID, null, null, 'input');
}

/** The kept input; the runs of one batch have the same. */
export function keptInput({ runs, events }: Pick<BatchRecord, 'runs' | 'events'>): string | undefined {
  const ids = new Set(runs.map(({ RunID }) => inputEventID(RunID)));
  return events.find(({ EventID }) => ids.has(EventID))?.Message ?? undefined;
}
