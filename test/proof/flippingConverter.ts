/** A data converter as people have it who encrypt their payloads; this one turns bits around. */
import type { Payload, PayloadCodec } from '@temporalio/common';

const ENCODING = 'binary/flipped';

const flipped = (data: Uint8Array | null | undefined): Uint8Array =>
  Uint8Array.from(data ?? [], (byte) => byte ^ 0xff);

const codec: PayloadCodec = {
  encode: async (payloads) =>
    payloads.map(({ metadata, data }) => ({
      metadata: { encoding: Buffer.from(ENCODING), inner: metadata?.['encoding'] ?? new Uint8Array() },
      data: flipped(data),
    })),
  decode: async (payloads) => payloads.map(decode),
};

function decode(payload: Payload): Payload {
  const { metadata, data } = payload;
  if (Buffer.from(metadata?.['encoding'] ?? []).toString() !== ENCODING) return payload;
  return { metadata: { encoding: metadata!['inner']! }, data: flipped(data) };
}

export const dataConverter = { payloadCodecs: [codec] };
