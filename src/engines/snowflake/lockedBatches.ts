/**
 * Batches that a transaction reads in order to change them. Snowflake locks them only by a write, and with them the
 * whole table, for everybody, until the transaction ends. So nothing is locked at first: what is read is remembered by a
 * hash, and a change that finds another row than the one that was read is a conflict. Then the work is done again, and
 * this time the rows are locked, so that it comes to an end.
 */
import { PIPELINE_LOG_COLUMNS } from '../../domain/columns.js';
import type { PipelineLog } from '../../domain/model.js';
import { sourcesOf } from './rows.js';
import type { Row } from './session.js';
import { ids, ROW_HASH, rowHash } from './statements.js';
import type { Tables } from './tables.js';

export const LOCKED_COLUMNS = [...PIPELINE_LOG_COLUMNS, ROW_HASH];

export class LockedBatches {
  readonly #hashes = new Map<number, string>();

  constructor(readonly tables: Tables) {}

  async read(logIDs: readonly number[]): Promise<PipelineLog[]> {
    await this.lock(logIDs);
    const rows = await this.tables.find<Row>('PipelineLog', LOCKED_COLUMNS, 'LogID', logIDs);
    return this.remember(rows);
  }

  async lock(logIDs: readonly number[]): Promise<void> {
    const { frame } = this.tables;
    if (!frame.isPatient || logIDs.length === 0) return;
    const wanted = ids(logIDs);
    const batches = this.tables.name('PipelineLog');
    await frame.lock({
      text: `UPDATE ${batches} SET LogID = LogID WHERE LogID IN ${wanted.text}`,
      binds: wanted.binds,
    });
  }

  /** Takes rows that have LOCKED_COLUMNS, and answers the batches. */
  remember(rows: readonly Row[]): PipelineLog[] {
    return rows.map(({ [ROW_HASH]: hash, ...row }) => {
      const batch = row as unknown as PipelineLog;
      this.#hashes.set(batch.LogID, hash as string);
      return batch;
    });
  }

  remove(logIDs: readonly number[]): void {
    const rows = logIDs.map((LogID) => ({ LogID, [ROW_HASH]: this.#take(LogID) }));
    const batches = this.tables.name('PipelineLog');
    this.tables.frame.write({
      table: 'PipelineLog',
      statements: sourcesOf<Row>(rows, ['LogID', ROW_HASH]).map(({ text, binds }) => ({
        text: `MERGE INTO ${batches} T USING ${text} S ON T.LogID = S.LogID AND ${rowHash()} = S.${ROW_HASH}
          WHEN MATCHED THEN DELETE`,
        binds,
      })),
      rows: rows.length,
    });
  }

  update(batches: readonly PipelineLog[]): void {
    const rows = batches.map((batch): Row => ({ ...batch, [ROW_HASH]: this.#take(batch.LogID) }));
    this.tables.merge('PipelineLog', rows, LOCKED_COLUMNS, {
      keys: ['LogID'],
      and: `${rowHash()} = S.${ROW_HASH}`,
      update: PIPELINE_LOG_COLUMNS.slice(1),
      must: true,
    });
  }

  /** The row will have another hash: who changes it once more has to read it again. */
  #take(logID: number): string {
    const hash = this.#hashes.get(logID);
    if (hash === undefined) throw new Error(`Batch ${logID} is changed, and was not locked before`);
    this.#hashes.delete(logID);
    return hash;
  }
}
