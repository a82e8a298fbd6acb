/** How a load gets its file, and waits for who else has it. */
import { basename } from 'node:path';
import type Database from 'better-sqlite3';
import { isBusy, openForWriting, patiently } from '../connect.js';
import { lockedError } from '../tables.js';

/** Batches that load into one file do so one after the other. */
export const LOAD_PATIENCE_MS = 60 * 60_000;

export interface LoadPlace {
  readonly file: string;
  readonly label: string;
  readonly signal?: AbortSignal;
}

/**
 * With its log before a transaction begins, also where the file is new: then the load and those who read don't wait for
 * each other. To give a file its log takes a moment in which nobody else has it open.
 */
export function openForLoad(place: LoadPlace): Promise<Database.Database> {
  return orLocked(openForWriting(place.file, LOAD_PATIENCE_MS, place.signal), place);
}

export function whenFree<T>(work: () => T, place: LoadPlace): Promise<T> {
  return orLocked(patiently(work, LOAD_PATIENCE_MS, place.signal), place);
}

function orLocked<T>(waiting: Promise<T>, { file, label }: LoadPlace): Promise<T> {
  return waiting.catch((error: unknown) => {
    throw isBusy(error) ? lockedError(label, [basename(file, '.db')], error) : error;
  });
}
