/**
 * `npm run endings`: plays every ending against a real dev server and prints what the audit says about each. The audit
 * is kept in SQLite; with --postgres in a PostgreSQL server that is started for it, with --audit <url> there. Words
 * behind it choose the endings whose names have them.
 */
import { parseArgs } from 'node:util';
import { startDevServer } from '../../src/dev/devServer.js';
import { startPostgres } from '../endpoints/postgres.js';
import { endings } from './catalog/index.js';
import type { Observed } from './observe.js';
import { isDeepEqual, perform } from './perform.js';
import { Stage } from './stage.js';

const { values, positionals } = parseArgs({
  options: { postgres: { type: 'boolean' }, audit: { type: 'string' } },
  allowPositionals: true,
});
const only = positionals.join(' ').toLowerCase();
const chosen = endings.filter(({ name }) => name.toLowerCase().includes(only));
if (chosen.length === 0) {
  console.error(`No ending has ${JSON.stringify(only)} in its name. They are:`);
  for (const { name } of endings) console.error(`  ${name}`);
  process.exit(1);
}
const server = await startDevServer({ report: (line) => process.stderr.write(`${line}\n`) });
const database = values.postgres ? await startPostgres() : undefined;
const stage = await Stage.open({
  address: server.address,
  temporalCli: server.executable,
  auditUrl: database?.url ?? values.audit,
});
let wrong = 0;

try {
  const queue = [...chosen];
  const lines = new Map<string, string>();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let ending = queue.shift(); ending; ending = queue.shift()) {
        const { name, expected } = ending;
        try {
          const { observed, historyAdds } = await perform(stage, ending);
          const isRight = isDeepEqual(observed, expected) && (historyAdds ?? 0) === 0;
          if (!isRight) wrong++;
          lines.set(name, describe(isRight, name, observed, historyAdds));
          if (!isRight)
            lines.set(name, `${lines.get(name)}\n     expected ${JSON.stringify(expected, null, 1)}`);
        } catch (error) {
          wrong++;
          lines.set(name, `FAIL ${name}\n     ${(error as Error).message}`);
        }
        process.stderr.write(`${lines.size} of ${chosen.length}: ${name}\n`);
      }
    }),
  );
  for (const { name } of chosen) console.log(lines.get(name));
  console.log(`\n${chosen.length - wrong} of ${chosen.length} endings are as they must be`);
} finally {
  await stage.close();
  await database?.stop();
  await server.stop();
}
process.exitCode = wrong > 0 ? 1 : 0;

function describe(isRight: boolean, name: string, observed: Observed[], adds?: number): string {
  const batches = new Map<string, number>();
  for (const { status, retries, events, alerts } of observed) {
    const line = [
      status,
      retries || '-',
      alerts.join(', ') || 'no alert',
      events.join('; ') || 'no steps',
    ].join(' | ');
    batches.set(line, (batches.get(line) ?? 0) + 1);
  }
  const lines = [...batches].map(([line, count]) => `     ${count > 1 ? `${count} x ` : ''}${line}`);
  return [`${isRight ? 'ok  ' : 'FAIL'} ${name} (history +${adds ?? 'not compared'})`, ...lines].join('\n');
}
