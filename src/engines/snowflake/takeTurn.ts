import { isoTime } from '../../domain/time.js';
import type { Turn, TurnTaken } from '../contract.js';
import { time } from './statements.js';
import type { Tables } from './tables.js';

const IS_FREE = '(T.Holder = S.Holder OR T.HeldUntil <= S.Now)';

/**
 * One SELECT answers whose turn it is, and is all that the others need. Whoever can have the turn takes it by a MERGE,
 * which must find what the SELECT has seen: if somebody else was faster, the work is done again.
 */
export async function takeTurn(
  tables: Tables,
  { scope, holder, forMs }: Turn,
): Promise<TurnTaken | undefined> {
  const turns = tables.name('Turn');
  const [found] = await tables.frame.read(['Turn'], {
    text: `SELECT COALESCE(${IS_FREE}, TRUE) AS "IsFree",
        DATE_PART(EPOCH_MILLISECOND, COALESCE(T.Watermark, S.Now)) AS "Watermark"
      FROM (SELECT ? AS Scope, ? AS Holder, SYSDATE() AS Now) S LEFT JOIN ${turns} T ON T.Scope = S.Scope`,
    binds: [scope, holder],
  });
  if (!found!['IsFree']) return undefined;
  const watermark = Number(found!['Watermark']);
  tables.frame.write({
    table: 'Turn',
    statements: [
      {
        text: `MERGE INTO ${turns} T
          USING (SELECT ? AS Scope, ? AS Holder, SYSDATE() AS Now, ${time('?')} AS Watermark,
            DATEADD(MILLISECOND, ?, SYSDATE()) AS HeldUntil) S
          ON T.Scope = S.Scope
          WHEN MATCHED AND T.Watermark = S.Watermark AND ${IS_FREE}
            THEN UPDATE SET Holder = S.Holder, HeldUntil = S.HeldUntil
          WHEN NOT MATCHED THEN INSERT (Scope, Holder, HeldUntil, Watermark)
            VALUES (S.Scope, S.Holder, S.HeldUntil, S.Watermark)`,
        binds: [scope, holder, watermark, forMs],
      },
    ],
    rows: 1,
  });
  return { watermark: isoTime(watermark) };
}
