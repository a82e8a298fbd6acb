import { expect, it } from 'vitest';
import { engineFor } from '../../src/engines/index.js';
import { everyEngine } from './engines.js';
import { event, open, read, record, runStart } from './rows.js';

everyEngine('reading', ({ engine, audit }) => {
  it('goes through a connection that can not write', async () => {
    const ref = await open(audit.store, runStart());
    await record(audit.store, [event(ref)]);
    const before = await read(audit.store, ref);
    const tables = await audit.place.shape();
    const schema = audit.place.schema;
    const log = `${schema}.PipelineLog`;
    const [reader, other] = await Promise.all([audit.reader(), audit.reader()]);
    for (const sql of [
      `DELETE FROM ${log}`,
      `UPDATE ${log} SET Status = 'Error'`,
      `INSERT INTO ${log} (PipelineName, StartTime, Status) VALUES ('x', '2026-01-01', 'Running')`,
      `CREATE TABLE ${schema}.x (y INT)`,
      `CREATE VIEW ${schema}.x AS SELECT 1 AS y`,
      `DROP TABLE ${schema}.Alert`,
      `ALTER TABLE ${schema}.Alert ADD x INT`,
      `SELECT 1; DELETE FROM ${log}`,
      `SELECT 1; COMMIT; DELETE FROM ${log}`,
      `COMMIT; DROP TABLE ${schema}.Alert`,
      `COMMIT; DELETE FROM ${log}; BEGIN`,
      `ROLLBACK; DELETE FROM ${log}`,
      `END; DELETE FROM ${log}`,
      `SELECT 1 /* ; */; -- ;\n DELETE FROM ${log}`,
      ...(ONLY[engine.scheme]?.(schema) ?? []),
    ]) {
      // Whether it is refused, or runs and is rolled back, is the engine's choice: nothing of it may be left.
      await reader.query(sql).catch(() => undefined);
      expect(await other.batch(ref.LogID), sql).toEqual(before);
    }
    expect(await audit.place.shape()).toEqual(tables);
  });

  it('says so when a statement would write', async () => {
    const reader = await audit.reader();
    const writing = reader.query(`DELETE FROM ${audit.place.schema}.PipelineLog`);
    await expect(writing).rejects.toMatchObject({ name: 'BadInput' });
    await expect(writing).rejects.toThrow(/can ?not write|read-?only/i);
  });

  it('goes on after a statement that was refused', async () => {
    const reader = await audit.reader();
    const ref = await open(audit.store, runStart());
    for (const sql of ['BEGIN', 'ROLLBACK', 'COMMIT', 'SELEC', `SELECT 1; SELECT 2`]) {
      await reader.query(sql).catch(() => undefined);
      const { rows } = await reader.query(
        `SELECT LogID FROM ${audit.place.schema}.PipelineLog WHERE LogID = ${ref.LogID}`,
      );
      expect(rows, sql).toHaveLength(1);
    }
    expect((await reader.batch(ref.LogID))?.batch.LogID).toBe(ref.LogID);
  });

  it('sees what was written since its last statement', async () => {
    const reader = await audit.reader();
    const start = runStart();
    expect(await reader.batches({ text: start.WorkflowID })).toEqual([]);
    await open(audit.store, start);
    expect(await reader.batches({ text: start.WorkflowID })).toHaveLength(1);
  });

  it('can be asked several things at once', async () => {
    const ref = await open(audit.store, runStart());
    const reader = await audit.reader();
    const found = await Promise.all([
      reader.batch(ref.LogID).then((record) => record?.batch.LogID),
      reader.batches({ limit: 1 }).then((batches) => batches.length),
      reader
        .query(`SELECT COUNT(*) AS n FROM ${audit.place.schema}.PipelineLog`)
        .then(({ rows }) => rows.length),
      reader.query('SELECT no_such_column').catch((error: unknown) => (error as Error).name),
      reader.batch(ref.LogID).then((record) => record?.batch.LogID),
    ]);
    expect(found).toEqual([ref.LogID, 1, 1, 'BadInput', ref.LogID]);
  });

  it('names the schema that is not there, and the remedy', async () => {
    const place = await audit.newPlace();
    const { openAuditReader } = await engineFor(place.url, 'url');
    const opening = openAuditReader({ url: place.url, schema: place.schema }).then(async (reader) => {
      try {
        return await reader.batches({});
      } finally {
        await reader.close();
      }
    });
    await expect(opening).rejects.toThrow(/migrate|made by the first worker/i);
  });
});

/** What only this engine could be tricked by. */
const ONLY: Record<string, ((schema: string) => string[]) | undefined> = {
  sqlite: () => [
    `ATTACH '/tmp/batchtrail-must-not-be-there.db' AS n`,
    'PRAGMA user_version = 7',
    'PRAGMA query_only = OFF',
    'VACUUM',
    `WITH x AS (SELECT 1) DELETE FROM Audit.PipelineLog`,
    `DELETE FROM Audit.PipelineLog RETURNING LogID`,
  ],
  postgres: (schema) => [
    `WITH gone AS (DELETE FROM ${schema}.PipelineLog RETURNING *) SELECT * FROM gone`,
    `DELETE FROM ${schema}.PipelineEvent RETURNING EventID`,
    `SELECT 1) AS x; DELETE FROM ${schema}.PipelineEvent; SELECT (1`,
    `SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE`,
    `SET TRANSACTION READ WRITE`,
    `SET default_transaction_read_only = off`,
    `SELECT set_config('transaction_read_only', 'off', false), set_config('default_transaction_read_only', 'off', false)`,
    `DELETE FROM ${schema}.PipelineEvent`,
    `DO $$ BEGIN DELETE FROM ${schema}.PipelineEvent; END $$`,
    `EXPLAIN ANALYZE DELETE FROM ${schema}.PipelineEvent`,
    `PREPARE p AS DELETE FROM ${schema}.PipelineEvent`,
    `EXECUTE p`,
    `COPY ${schema}.PipelineEvent (EventID) FROM STDIN`,
    `SELECT nextval(pg_get_serial_sequence('${schema}.PipelineLog', 'logid'))`,
    `SELECT * INTO ${schema}.y FROM ${schema}.PipelineLog`,
    `LOCK TABLE ${schema}.PipelineLog IN ACCESS EXCLUSIVE MODE`,
    `SELECT LogID FROM ${schema}.PipelineLog FOR UPDATE`,
    `TRUNCATE ${schema}.PipelineEvent`,
  ],
  mssql: (schema) => [
    `WITH x AS (SELECT * FROM ${schema}.PipelineLog) DELETE FROM x`,
    `SELECT * INTO ${schema}.y FROM ${schema}.PipelineLog`,
    `EXEC('DELETE FROM ${schema}.PipelineEvent')`,
    `EXEC sp_executesql N'DELETE FROM ${schema}.PipelineEvent'`,
    `SELECT 1 DELETE FROM ${schema}.PipelineEvent`,
    `COMMIT TRANSACTION DELETE FROM ${schema}.PipelineEvent`,
    `SELECT 1\nGO\nDELETE FROM ${schema}.PipelineEvent`,
    `TRUNCATE TABLE ${schema}.Alert`,
  ],
  snowflake: (schema) => [
    `TRUNCATE TABLE ${schema}.PipelineEvent`,
    `EXECUTE IMMEDIATE 'DELETE FROM ${schema}.PipelineEvent'`,
    `MERGE INTO ${schema}.PipelineEvent T USING (SELECT 1 AS x) S ON TRUE WHEN MATCHED THEN DELETE`,
    `CREATE OR REPLACE TABLE ${schema}.Alert (x INT)`,
    `UNDROP TABLE ${schema}.Alert`,
    `/* SELECT */ DELETE FROM ${schema}.PipelineEvent`,
    `-- SELECT\nDELETE FROM ${schema}.PipelineEvent`,
  ],
};
