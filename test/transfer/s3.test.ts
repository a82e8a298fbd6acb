/** Transfers by a bucket of a real S3 server, also when that fails as servers and networks do. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStaging } from '../../src/engines/s3/staging.js';
import type { Staging } from '../../src/engines/transferContract.js';
import { ifPossible } from '../endpoints/ifPossible.js';
import { startS3 } from '../endpoints/s3.js';
import { FaultyProxy } from './faultyProxy.js';
import { Rig } from './rig.js';

const server = await ifPossible(startS3(), 'Transfers by S3');

/** More than a part, so that it is uploaded in parts; random bytes stay as long when they are compressed. */
const ROWS = 400;
const ROW_BYTES = 32 * 1024;

describe.skipIf(!server)('S3', () => {
  let rig: Rig;
  let proxy: FaultyProxy;
  let area: Staging;
  let turn = 0;

  beforeAll(async () => {
    proxy = await FaultyProxy.start(server!.host);
    area = await openStaging({ url: server!.url, signal: new AbortController().signal });
    rig = await Rig.open(() => ({
      s3: { url: server!.urlOf({ host: proxy.host }) },
      wrongSecret: { url: server!.urlOf({ secret: 'wrong' }) },
      wrongBucket: { url: server!.urlOf({ bucket: 'elsewhere' }) },
      unknown: { url: server!.urlOf({ parameters: '&acl=public' }) },
    }));
    const db = rig.database('source/app');
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)');
    const insert = db.prepare('INSERT INTO t (bytes) VALUES (?)');
    db.transaction(() => {
      for (let row = 0; row < ROWS; row++) insert.run(randomBytes(ROW_BYTES));
    })();
    db.close();
  });
  beforeEach(() => {
    proxy.faults = () => undefined;
    turn++;
  });
  afterAll(async () => {
    await rig?.close();
    await area?.close();
    await proxy?.stop();
    await server?.stop();
  });

  const input = (staging: string): object => ({
    ...{ staging, mode: 'append' },
    tables: [{ from: 'app.t', to: `DWH.t${turn}` }],
  });

  async function isWhole(): Promise<void> {
    const target = rig.database('target/DWH');
    target.exec(`ATTACH '${rig.folder}/source/app.db' AS app`);
    const differing = `SELECT count(*), (SELECT count(*) FROM (SELECT id, bytes FROM app.t EXCEPT SELECT id, bytes FROM t${turn})) FROM t${turn}`;
    expect(target.prepare(differing).raw().get()).toEqual([ROWS, 0]);
    target.close();
  }

  /** The fault befalls the first so many requests that fit. */
  function first(times: number, fits: (method: string, url: string) => boolean, fault: object): void {
    let left = times;
    proxy.faults = ({ method = '', url = '' }) => {
      if (left === 0 || !fits(method, url)) return undefined;
      left--;
      return fault as ReturnType<typeof proxy.faults>;
    };
  }
  const isPart = (method: string, url: string): boolean => method === 'PUT' && url.includes('partNumber');

  it('carries a transfer, and is cleaned afterwards', async () => {
    expect(await rig.transfer(input('s3'))).toMatchObject({ rowsProcessed: ROWS });
    await isWhole();
    const [[store]] = rig.rows('audit/Audit', 'SELECT StoreID FROM Store') as [[string]];
    expect(await area.list(store)).toEqual([]);
  });

  it('gets objects that are compressed', async () => {
    const db = rig.database('source/app');
    db.exec(`CREATE TABLE even (a TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO even SELECT 'same' FROM n`);
    db.close();
    const tables = [{ from: 'app.even', to: 'DWH.even' }];
    await rig.transfer({ staging: 's3', mode: 'append', tables, cleanup: 'never' });
    const [[store]] = rig.rows('audit/Audit', 'SELECT StoreID FROM Store') as [[string]];
    const objects = await area.list(store);
    expect(objects.find(({ name }) => name.endsWith('.csv.gz'))!.bytes).toBeLessThan(500);
    await area.remove(objects.map(({ name }) => name));
  });

  it.each([
    ['sse=AES256', { 'x-amz-server-side-encryption': 'AES256' }],
    [
      'sse=aws:kms&kmsKeyId=alias%2Fetl',
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/etl',
      },
    ],
  ])('with %s asks for that of every object', async (parameters, headers) => {
    const asked: object[] = [];
    proxy.faults = ({ method, url = '', headers: given }) => {
      // An upload in parts asks when it begins.
      if (
        (method === 'PUT' && !url.includes('partNumber')) ||
        (method === 'POST' && url.includes('uploads'))
      ) {
        asked.push(given);
      }
      return undefined;
    };
    const signal = new AbortController().signal;
    const url = server!.urlOf({ host: proxy.host, parameters: `&${parameters}` });
    const encrypted = await openStaging({ url, signal });
    await encrypted.put('sse/small', Readable.from([randomBytes(10)]));
    await encrypted.put(
      'sse/large',
      Readable.from(Array.from({ length: 12 }, () => randomBytes(1024 * 1024))),
    );
    await encrypted.remove(['sse/small', 'sse/large']);
    await encrypted.close();
    expect(asked).toEqual([expect.objectContaining(headers), expect.objectContaining(headers)]);
  });

  it.each<[string, () => void]>([
    ['answers 503', () => first(3, isPart, { status: 503, body: '<Error><Code>SlowDown</Code></Error>' })],
    ['cuts off an upload', () => first(2, isPart, { cutAfter: 100_000 })],
    ['cuts off an upload again and again', () => first(12, isPart, { cutAfter: 100_000 })],
    ['is slow', () => first(4, () => true, { waitMs: 700 })],
  ])('that %s still carries it whole', async (_, fault) => {
    fault();
    expect(await rig.transfer(input('s3'))).toMatchObject({ rowsProcessed: ROWS });
    await isWhole();
  });

  it.each([
    ['wrongSecret', 'BadConfig', 'Correct the secret in the URL'],
    ['wrongBucket', 'BadConfig', "Correct the bucket's name, or create the bucket"],
    ['unknown', 'BadConfig', 'has the parameter "acl", which is unknown'],
  ])('%s is said at once', async (staging, type, message) => {
    const failure = await rig.refusal(input(staging));
    expect(failure).toMatchObject({ type, message: expect.stringContaining(message) as unknown });
    expect(failure.message).not.toContain('wrong@');
  });

  it('that refuses objects ends the batch with what to do, and the target as it was', async () => {
    proxy.faults = ({ method }) =>
      method === 'PUT' || method === 'POST'
        ? { status: 403, body: '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>' }
        : undefined;
    expect(await rig.refusal(input('s3'))).toMatchObject({
      type: 'BadConfig',
      message: expect.stringContaining('Access Denied (AccessDenied). Let this user get, put') as unknown,
    });
    expect(rig.rows('target/DWH', `SELECT name FROM sqlite_schema WHERE name = 't${turn}'`)).toEqual([]);
  });

  it('knows objects that are gone, and lists more than a page', async () => {
    await expect(area.open('nobody/1')).rejects.toMatchObject({ name: 'NotFound' });
    const names = Array.from({ length: 1_005 }, (_, index) => `many/${index}`);
    for (const name of names) await area.put(name, Readable.from([Buffer.from('x')]));
    expect((await area.list('many')).map(({ name }) => name).sort()).toEqual([...names].sort());
    await area.remove(names);
    expect(await area.list('many')).toEqual([]);
  });
});
