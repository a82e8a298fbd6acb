import { expect, it } from 'vitest';
import { reasonText } from '../../src/domain/replay.js';

it('a reason is short, and holds no secret', () => {
  expect(reasonText('postgres://u:pw@host does not answer')).toBe('postgres://u:***@host does not answer');
  expect(reasonText('x'.repeat(501))).toBe(`${'x'.repeat(500)}…`);
});
