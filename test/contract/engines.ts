/** The engines that the suite holds to one contract, and what the tests need of each beside it. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import type { Recorder } from '../../src/audit/recorder.js';
import type { AuditReader, AuditStore } from '../../src/engines/contract.js';
import { engineFor } from '../../src/engines/index.js';
import { openRecorder } from '../support/recorder.js';
import type { Endpoint } from '../endpoints/endpoint.js';
import { mssql } from './engines/mssql.js';
import { postgres } from './engines/postgres.js';
import { snowflake } from './engines/snowflake.js';
import { sqlite } from './engines/sqlite.js';

/** What not every engine, or not every endpoint of it, lets a test do. */
export type Ability =
  | 'users'
  | 'withoutDelete'
  | 'restart'
  | 'endConnections'
  | 'serverTimeZone'
  | 'readOnly'
  | 'full'
  | 'holdLock'
  | 'seeWaiting'
  | 'duplicateBatch'
  | 'wrongPassword'
  | 'unreachableHost'
  | 'missingDatabase'
  | 'unknownParameter';

export interface EngineUnderTest {
  readonly name: string;
  readonly scheme: string;
  /** The variable that names the server. */
  readonly variable?: string;
  /** Why none of the cases can run. */
  readonly absent?: string | undefined;
  /** What can't be tried here, with the reason. */
  readonly cannot: Partial<Record<Ability, string>>;
  version(): Promise<string>;
  /** A schema that does not exist yet. */
  newPlace(): Promise<Place>;
  /** A URL that can't be used, by what is wrong with it. `SECRET` of secret.ts is the password in it. */
  readonly bad: Partial<Record<BadURL, () => string>>;
  /** URLs that don't parse. */
  readonly malformed: readonly string[];
  /** A server for one case, because the one that all use may be somebody's. */
  startOwn?(): Promise<Endpoint & { restart(): Promise<void> }>;
}

export type BadURL = 'wrongPassword' | 'unreachableHost' | 'missingDatabase' | 'unknownParameter';

/** One schema, and the way behind the contract's back. */
export interface Place {
  readonly url: string;
  readonly schema: string;
  /** The table's name in raw SQL. */
  table(name: string): string;
  /** Runs one statement as the owner; the columns' names come in lower case. */
  run(sql: string): Promise<Array<Record<string, unknown>>>;
  /** Runs a script of many statements as a DBA would do it. */
  runScript(script: string): Promise<void>;
  /** What the schema consists of, in a form that is equal where the schemas are. */
  shape(): Promise<unknown[]>;
  /** Another schema in the same database. */
  beside(): Promise<Place>;
  drop(): Promise<void>;

  /** Somebody who may read and write the audit's tables, and nothing else. */
  worker?(): Promise<Login>;
  /** Somebody who may log in, and nothing else. */
  stranger?(): Promise<Login>;
  /** Makes the database refuse every change of who connects from now on, until `undo`. */
  makeReadOnly?(): Promise<{ url: string; undo: () => Promise<void> }>;
  /** Leaves no room in the database for what the store writes, until `undo`. */
  fill?(store: AuditStore): Promise<{ undo: () => Promise<void> }>;
  /** Locks out every other writer of the tables, until `release`. */
  holdLock?(): Promise<{ release: () => Promise<void> }>;
  /** Whether a statement on this schema waits for another transaction. */
  isWaiting?(): Promise<boolean>;
}

export interface Login {
  readonly url: string;
  /** Ends this user's connections on the server; answers how many there were. */
  endConnections(): Promise<number>;
  /** The time zone of this user's next sessions. */
  setTimeZone(zone: string): Promise<void>;
}

export const ENGINES: readonly EngineUnderTest[] = [sqlite, postgres, mssql, snowflake];

export interface Cases {
  readonly engine: EngineUnderTest;
  /** One migrated schema for all cases of the block; each case names runs of its own. */
  readonly audit: Audit;
  /** A case for engines that are able to do this; the others skip it, with the reason in its name. */
  ifAble(ability: Ability, name: string, work: () => Promise<void>, timeoutMs?: number): void;
}

export interface Audit {
  readonly place: Place;
  readonly store: AuditStore;
  /** One more connection, closed after the case. */
  another(url?: string): Promise<AuditStore>;
  reader(url?: string): Promise<AuditReader>;
  /** A recorder on one more connection, closed after the case. */
  recorder(options?: { url?: string; logger?: Logger }): Promise<{ recorder: Recorder; store: AuditStore }>;
  /** A place of the case's own, dropped after it. */
  newPlace(): Promise<Place>;
  /** A store at a place of the case's own, closed after it. */
  open(place: Place, url?: string): Promise<AuditStore>;
}

/** The cases, once for each engine that is there. */
export function everyEngine(topic: string, cases: (given: Cases) => void): void {
  for (const engine of ENGINES) {
    describe(engine.name, () => {
      if (engine.absent !== undefined) {
        it.skip(`${topic} (skipped: ${engine.absent})`);
        return;
      }
      describe(topic, () => {
        const ifAble: Cases['ifAble'] = (ability, name, work, timeoutMs) => {
          const reason = engine.cannot[ability];
          if (reason === undefined) it(name, work, timeoutMs);
          else it.skip(`${name} (skipped: ${reason})`);
        };
        cases({ engine, ifAble, audit: useAudit(engine) });
      });
    });
  }
}

function useAudit(engine: EngineUnderTest): Audit {
  let place: Place;
  let store: AuditStore;
  const toClose: Array<{ close(): Promise<void> }> = [];
  const toDrop: Place[] = [];
  const closedAfterCase = <T extends { close(): Promise<void> }>(it: T): T => {
    toClose.push(it);
    return it;
  };

  beforeAll(async () => {
    place = await engine.newPlace();
    store = await openStore(place);
    await store.migrate();
  });
  afterEach(async () => {
    await Promise.all(toClose.splice(0).map((one) => one.close()));
    for (const one of toDrop.splice(0)) await one.drop();
  });
  afterAll(async () => {
    // What failed to start has nothing to end.
    await (store as AuditStore | undefined)?.close();
    await (place as Place | undefined)?.drop();
  });

  return {
    get place() {
      return place;
    },
    get store() {
      return store;
    },
    another: async (url) => closedAfterCase(await openStore(place, url)),
    reader: async (url = place.url) => {
      const { openAuditReader } = await engineFor(url, 'url');
      return closedAfterCase(await openAuditReader({ url, schema: place.schema }));
    },
    recorder: async ({ url, logger } = {}) => {
      const ownStore = await openStore(place, url);
      const opened = closedAfterCase(await openRecorder(ownStore, logger));
      return { recorder: opened.recorder, store: ownStore };
    },
    newPlace: async () => {
      const own = await engine.newPlace();
      toDrop.push(own);
      return own;
    },
    open: async (own, url) => closedAfterCase(await openStore(own, url)),
  };
}

export async function openStore({ url: owner, schema }: Place, url = owner): Promise<AuditStore> {
  return (await engineFor(url, 'url')).openAuditStore({ url, schema });
}

const SALT = randomBytes(4).toString('hex');
let counter = 0;

/** A name that nobody has used before: the cases of a block share one schema. */
export function unique(name: string): string {
  return `${name}-${SALT}-${++counter}`;
}
