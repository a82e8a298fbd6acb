import type { Payload } from '@temporalio/common';
import { expect, it } from 'vitest';
import { inputPayloads, inputText, redactedText, runInput } from '../../src/audit/recordedInput.js';

function payload(encoding: string, data: string | Uint8Array, more: Record<string, string> = {}): Payload {
  const metadata = Object.entries({ encoding, ...more }).map(([name, value]) => [name, Buffer.from(value)]);
  return { metadata: Object.fromEntries(metadata) as Record<string, Uint8Array>, data: Buffer.from(data) };
}
const json = (value: unknown): Payload => payload('json/plain', JSON.stringify(value));

it('payloads come back from their text byte for byte', () => {
  const payloads = [
    payload('json/plain', '{ "a":1,\n"ü\ud83d\ude00": "\\u0000" }'),
    payload('binary/encrypted', Uint8Array.from([0, 255, 128, 10]), { 'key-id': 'k' }),
    payload('binary/null', ''),
  ];
  const text = inputText(payloads);
  expect(inputText(inputPayloads(text))).toBe(text);
  expect(inputPayloads(text).map(({ data }) => Buffer.from(data!).toString('hex'))).toEqual(
    payloads.map(({ data }) => Buffer.from(data!).toString('hex')),
  );
});

it('a digest does not depend on the order of metadata, and differs with the data', () => {
  const digest = (one: Payload): string => runInput([one], {}).digest;
  const reversed = { metadata: { b: Buffer.from('2'), encoding: Buffer.from('x') }, data: Buffer.from('d') };
  expect(digest(payload('x', 'd', { b: '2' }))).toBe(digest(reversed));
  expect(digest(json(1))).not.toBe(digest(json(2)));
  expect(runInput([], {}).digest).toMatch(/^[0-9a-f]{64}$/);
});

it.each([
  [{ a: [{ dbPassword: 'x' }] }, '{"a":[{"dbPassword":"***"}]}'],
  [{ 'API-Key': { nested: 1 } }, '{"API-Key":"***"}'],
  [
    { secretAccessKey: 'x', account_key: 'y', Authorization: 'Basic z' },
    '{"secretAccessKey":"***","account_key":"***","Authorization":"***"}',
  ],
  [{ key: 'EU', primaryKey: 'OrderID' }, '{"key":"EU","primaryKey":"OrderID"}'],
  [{ customer: 7 }, '{"customer":"***"}'],
  [{ tokens: 3, passage: 'x', secret: null }, '{"tokens":3,"passage":"x","secret":null}'],
  ['postgres://u:pw@host/db', '"postgres://u:***@host/db"'],
])('of %j is shown %s', (value, shown) => {
  const [{ data }] = JSON.parse(redactedText([json(value)], ['Customer'])) as [{ data: string }];
  expect(data).toBe(shown);
});

it('bytes without keys are hidden, and what a codec made stays as it is', () => {
  const codec = payload('binary/encrypted', 'xyz');
  const [plain, made] = inputPayloads(redactedText([payload('binary/plain', 'pw'), codec], []));
  expect(Buffer.from(plain!.data!).toString()).toBe('***');
  expect(made!.data).toEqual(codec.data);
});
