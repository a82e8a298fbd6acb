/** A bucket of any S3 server as a staging area. */
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { loadDriver } from '../shared/driver.js';
import type { PlaceOptions, StagedObject, Staging } from '../transferContract.js';
import { isMissing, missingObject, stagingError } from './errors.js';
import type { Bucket } from './url.js';
import { readUrl } from './url.js';

/** So many parts of so many bytes are in memory at once. An object has at most 10,000 of them: 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024;
const PARTS_AT_ONCE = 2;
const ATTEMPTS = 5;
const CONNECT_MS = 10_000;
/** A server that says nothing for so long is treated like one that is gone. */
const SILENCE_MS = 60_000;
const MOST_TO_REMOVE = 1_000;

type Sdk = typeof import('@aws-sdk/client-s3') & Pick<typeof import('@aws-sdk/lib-storage'), 'Upload'>;

export async function openStaging({ url, signal }: PlaceOptions): Promise<Staging> {
  const bucket = readUrl(url);
  const client = await loadDriver('@aws-sdk/client-s3', 's3', () => import('@aws-sdk/client-s3'));
  const { Upload } = await loadDriver('@aws-sdk/lib-storage', 's3', () => import('@aws-sdk/lib-storage'));
  const s3 = new client.S3Client({
    ...bucket.client,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
  });
  return new S3Staging({ ...client, Upload }, s3, bucket, signal);
}

class S3Staging implements Staging {
  readonly isRemote = true;

  constructor(
    readonly sdk: Sdk,
    readonly s3: S3Client,
    readonly bucket: Bucket,
    readonly signal: AbortSignal,
  ) {}

  get label(): string {
    return this.bucket.label;
  }

  get location(): string {
    return `s3://${this.bucket.name}/${this.bucket.prefix}`;
  }

  async put(name: string, body: Readable): Promise<number> {
    let bytes = 0;
    const counted = new Transform({
      transform(piece: Buffer, _, done) {
        bytes += piece.length;
        done(null, piece);
      },
    });
    // What breaks the source of the bytes must break the upload, too, so that no half object becomes a whole one.
    body.once('error', (error) => counted.destroy(error));
    body.once('close', () => {
      if (!body.readableEnded) counted.destroy(new Error('The rows ended early'));
    });
    const upload = new this.sdk.Upload({
      client: this.s3,
      params: { ...this.#object(name), ...this.bucket.encryption, Body: body.pipe(counted) },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    const abort = (): void => void upload.abort();
    this.signal.addEventListener('abort', abort, { once: true });
    try {
      this.signal.throwIfAborted();
      await upload.done();
    } catch (error) {
      body.destroy();
      throw stagingError(error, this.label);
    } finally {
      this.signal.removeEventListener('abort', abort);
    }
    return bytes;
  }

  async open(name: string): Promise<Readable> {
    const { Body } = await this.s3
      .send(new this.sdk.GetObjectCommand(this.#object(name)), { abortSignal: this.signal })
      .catch((error: unknown) => {
        throw isMissing(error) ? missingObject(name, this.label, error) : stagingError(error, this.label);
      });
    const stream = Body as Readable;
    const abort = (): void => void stream.destroy(this.signal.reason as Error);
    this.signal.addEventListener('abort', abort, { once: true });
    stream.once('close', () => this.signal.removeEventListener('abort', abort));
    return stream;
  }

  async list(prefix: string): Promise<StagedObject[]> {
    const { name: Bucket, prefix: place } = this.bucket;
    const found: StagedObject[] = [];
    for (let ContinuationToken: string | undefined; ;) {
      const page = await this.s3
        .send(
          new this.sdk.ListObjectsV2Command({ Bucket, Prefix: `${place}${prefix}/`, ContinuationToken }),
          { abortSignal: this.signal },
        )
        .catch((error: unknown) => {
          throw stagingError(error, this.label);
        });
      for (const { Key = '', Size = 0, LastModified = new Date() } of page.Contents ?? []) {
        found.push({ name: Key.slice(place.length), bytes: Size, changedAt: LastModified });
      }
      ContinuationToken = page.NextContinuationToken;
      if (ContinuationToken === undefined) return found;
    }
  }

  async remove(names: readonly string[]): Promise<void> {
    const { name: Bucket, prefix } = this.bucket;
    for (let from = 0; from < names.length; from += MOST_TO_REMOVE) {
      const Objects = names.slice(from, from + MOST_TO_REMOVE).map((name) => ({ Key: `${prefix}${name}` }));
      const { Errors = [] } = await this.s3
        .send(new this.sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }), {
          abortSignal: this.signal,
        })
        .catch((error: unknown) => {
          throw stagingError(error, this.label);
        });
      const [first] = Errors;
      if (first)
        throw new Error(`${this.label}: ${Errors.length} objects can't be removed: ${first.Message}`);
    }
  }

  async close(): Promise<void> {
    this.s3.destroy();
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket.name, Key: `${this.bucket.prefix}${name}` };
  }
}
