import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { engineFor } from '../../src/engines/index.js';
import { everyEngine, type BadURL } from './engines.js';
import { SECRET } from './secret.js';

everyEngine('bad input', ({ engine, audit, ifAble }) => {
  /** What a user is told at the start of a worker. */
  const complaint = async (url: string, schema = audit.place.schema): Promise<Error> => {
    const work = engineFor(url, 'audit.url').then(async (found) => {
      const store = await found.openAuditStore({ url, schema });
      try {
        await store.migrate();
      } finally {
        await store.close();
      }
    });
    return work.then(
      () => {
        throw new Error('This should have failed');
      },
      (error: unknown) => error as Error,
    );
  };
  const reading = async (url: string): Promise<Error> => {
    const work = engineFor(url, 'audit.url').then(async (found) => {
      const reader = await found.openAuditReader({ url, schema: audit.place.schema });
      try {
        await reader.batches({ limit: 1 });
      } finally {
        await reader.close();
      }
    });
    return work.then(
      () => {
        throw new Error('This should have failed');
      },
      (error: unknown) => error as Error,
    );
  };
  const mustBeClear = (error: Error, says: RegExp, name = /^(BadConfig|BadInput)$/): void => {
    expect(error.name, error.stack).toMatch(name);
    expect(error.message).toMatch(says);
    expect(error.message).not.toContain('\n');
    // Loggers print all of an error: its cause, and what the driver hung on it.
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
  };

  it('of an unknown scheme names those that are known', async () => {
    const error = await complaint(`oracle${engine.scheme}://u:${SECRET}@host/db`);
    mustBeClear(error, /no engine for .*sqlite:/);
  });

  for (const url of engine.malformed) {
    it(`of a malformed URL says how to write it: ${url.replace(SECRET, '***')}`, async () => {
      mustBeClear(await complaint(url), new RegExp(`${engine.scheme}:`));
      mustBeClear(await reading(url), new RegExp(`${engine.scheme}:`));
    });
  }

  const SAYS: Record<BadURL, [name: string, says: RegExp]> = {
    wrongPassword: ['of a wrong password says that the login failed', /password|login|log in|authenticat/i],
    unreachableHost: ['of an unreachable host names it', /127\.0\.0\.1/],
    missingDatabase: ['of a missing database names it', /no_such_database/i],
    unknownParameter: ['of an unknown parameter names it', /nonsense/],
  };
  for (const [kind, [name, says]] of Object.entries(SAYS) as Array<[BadURL, [string, RegExp]]>) {
    ifAble(kind, name, async () => {
      const url = engine.bad[kind]!();
      // A worker waits for a server that does not answer, and for nothing else.
      const is = kind === 'unreachableHost' ? /^Unreachable$/ : undefined;
      mustBeClear(await complaint(url), says, is);
      mustBeClear(await reading(url), says, is);
    });
  }

  it('of a schema name is refused, or is a name like any other, but never SQL', async () => {
    const before = await audit.place.shape();
    for (const schema of [
      `x"; DROP TABLE ${audit.place.table('Alert')}; --`,
      `x]; SELECT 1`,
      `x'y`,
      'a.b',
      '',
    ]) {
      const error = await complaint(audit.place.url, schema);
      mustBeClear(error, /schema/i);
    }
    expect(await audit.place.shape()).toEqual(before);
  });
});
