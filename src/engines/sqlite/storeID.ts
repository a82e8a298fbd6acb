import type Database from 'better-sqlite3';

export function readCreatedAt(db: Database.Database): string {
  return db.prepare('SELECT CreatedAt FROM main.Store').pluck().get() as string;
}

export function readStoreID(db: Database.Database): string {
  return db.prepare('SELECT StoreID FROM main.Store').pluck().get() as string;
}
