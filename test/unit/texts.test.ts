import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { describeError } from '../../src/audit/describeError.js';
import { reportable } from '../../src/audit/reportableError.js';
import { redact } from '../../src/domain/redact.js';
import { cut, storable } from '../../src/domain/text.js';

describe('redact takes out', () => {
  it.each([
    ['a password', 'postgres://u:secret@h/db', 'postgres://u:***@h/db'],
    ['one with signs of its own', `mssql://u:se/cr"e't@x@h:1433`, 'mssql://u:***@h:1433'],
    [
      'one in a sentence',
      'no answer from mysql://a:b@c, giving up',
      'no answer from mysql://a:***@c, giving up',
    ],
    ['a parameter', 'https://h/?user=x&password=secret&y=1', 'https://h/?user=x&password=***&y=1'],
  ])('%s', (_name, text, redacted) => expect(redact(text)).toBe(redacted));

  it.each([
    'http://host:8080/path?mail=a@b.c',
    'postgres://etl@host/db',
    'at file:///x/y.js:10:5',
    'a@b: c://d',
  ])('nothing of %s', (text) => expect(redact(text)).toBe(text));

  it('in a time that grows with the text and no faster', () => {
    const began = performance.now();
    redact(`${'a'.repeat(2_000_000)} x:// ${'b://c:'.repeat(100_000)}`);
    // Looking at all of it again for each colon would take hours.
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});

describe('an error that people threw', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  it.each([
    ['a text', 'just a text', 'just a text'],
    ['a circular object', circular, '[Circular'],
    ['a bigint in an object', { n: 1n }, '1n'],
    ['a circular cause', new Error('outer', { cause: circular }), 'outer'],
    ['a message that is no text', Object.assign(new Error(), { message: 42 }), '42'],
  ])('can be described: %s', (_name, error, part) => expect(describeError(error).message).toContain(part));

  it('is reported without its passwords, whatever it is', () => {
    const url = 'postgres://u:s3cret@h/db';
    const frozen = Object.freeze(new Error('frozen'));
    expect(reportable(frozen)).toBe(frozen);
    for (const error of [
      new Error(url),
      url,
      { url },
      new Error('x', { cause: url }),
      new Error('x', { cause: new Error(url) }),
    ]) {
      const reported = reportable(error) as Error & { cause?: unknown };
      const cause = reported.cause instanceof Error ? reported.cause.message : reported.cause;
      expect(`${reported.message} ${reported.stack} ${String(cause)}`).not.toContain('s3cret');
    }
  });

  it('stays the same error, with its type and its wish not to be retried', () => {
    const error = ApplicationFailure.nonRetryable('to postgres://u:p@h', 'Fault');
    expect(reportable(error)).toBe(error);
    expect(error).toMatchObject({ message: 'to postgres://u:***@h', type: 'Fault', nonRetryable: true });
  });
});

describe('a stored text', () => {
  it('has no NUL and no half surrogate pair', () =>
    expect(storable('a\0\uD83D b \u{1F600}')).toBe('a\u2400\uFFFD b \u{1F600}'));
  it('is not cut through a surrogate pair', () => expect(cut('ab\u{1F600}', 3)).toBe('ab'));
});
