/** Puts rows and what describes them into the staging area, and reads them back. */
import { pipeline } from 'node:stream/promises';
import { Readable, Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createGunzip, createGzip } from 'node:zlib';
import type { Manifest, StagedChunk } from '../domain/transfer.js';
import type { Staging } from '../engines/transferContract.js';
import type { Beat } from './beating.js';
import { chunkObject, manifestObject } from './staged.js';

const BUFFER_BYTES = 256 * 1024;
/**
 * The fastest level that compresses: the network and the source wait for this more than for each other. The smaller
 * window takes a quarter less time at that level, and rows are small: it finds no less in it.
 */
const GZIP = { level: 1, windowBits: 13, memLevel: 9, chunkSize: BUFFER_BYTES };
/** The same format, for what only goes to a disk and back. */
const STORED = { ...GZIP, level: 0 };

export interface ChunkToStage extends Beat {
  readonly name: string;
  readonly chunk: number;
  readonly body: Readable;
  readonly rows: () => number;
  readonly compresses: boolean;
}

export async function stageChunk(
  area: Staging,
  { name, chunk, body, rows, compresses, signal, report }: ChunkToStage,
): Promise<StagedChunk> {
  const object = chunkObject(name, chunk);
  const gzip = createGzip(compresses ? GZIP : STORED);
  const ending = new AbortController();
  const gathering = gatherPieces((bytesRead) => report({ object, bytesRead }));
  // Whichever side fails first ends the other: a source that breaks must not leave half an object behind as a whole one.
  const reading = pipeline(body, gathering, gzip, { signal: AbortSignal.any([signal, ending.signal]) });
  const writing = area.put(object, gzip);
  reading.catch(() => undefined);
  writing.catch(() => ending.abort());
  const bytes = await Promise.all([writing, reading]).then(
    ([size]) => size,
    async (error: unknown) => {
      await Promise.allSettled([writing, reading]);
      // The source knows better why than the one who waits for it.
      throw await reading.then(
        () => error,
        (reason: unknown) => (ending.signal.aborted ? error : reason),
      );
    },
  );
  return { object, rows: rows(), bytes };
}

/** Makes larger pieces of small ones: each piece is a task of its own for the threads that compress. */
function gatherPieces(onRead: (bytes: number) => void): Transform {
  let pieces: Buffer[] = [];
  let gathered = 0;
  let read = 0;
  const take = (): Buffer => {
    const whole = Buffer.concat(pieces, gathered);
    pieces = [];
    gathered = 0;
    return whole;
  };
  return new Transform({
    highWaterMark: BUFFER_BYTES,
    transform(piece: Buffer, _, done) {
      pieces.push(piece);
      gathered += piece.length;
      read += piece.length;
      onRead(read);
      if (gathered < BUFFER_BYTES) done();
      else done(null, take());
    },
    flush(done) {
      done(null, take());
    },
  });
}

export async function openChunk(area: Staging, object: string): Promise<Readable> {
  const bytes = await area.open(object);
  const gunzip = createGunzip({ chunkSize: BUFFER_BYTES });
  // An error of either reaches who reads, as the error of what is read.
  pipeline(bytes, gunzip).catch((error: unknown) => gunzip.destroy(error as Error));
  return gunzip;
}

export async function writeManifest(area: Staging, name: string, manifest: Manifest): Promise<void> {
  await area.put(manifestObject(name), Readable.from([Buffer.from(JSON.stringify(manifest))]));
}

export async function readManifest(area: Staging, name: string): Promise<Manifest> {
  return JSON.parse(await text(await area.open(manifestObject(name)))) as Manifest;
}
