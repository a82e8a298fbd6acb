/** `batchtrail purge`: removes old batches from the audit. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { oldBatches } from '../audit/purge.js';
import type { Config } from '../config.js';
import { duration } from '../domain/duration.js';
import type { PurgeInput } from '../domain/purge.js';
import { isoTime } from '../domain/time.js';
import { withAuditReader } from './audit.js';
import { dayAndTime } from './format.js';
import { outputWidth, print, printJson } from './output.js';
import type { Configured } from './program.js';
import type { Column } from './table.js';
import { formatTable } from './table.js';

interface Options extends PurgeInput {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addPurge(program: Command, configured: Configured): void {
  program
    .command('purge')
    .description('remove old batches from the audit; what remains can still be verified')
    .requiredOption('--older-than <duration>', 'those that ended longer ago: 30d, 12h', durationText)
    .option('--keep-failed', 'without those that failed, also when they were repaired or dismissed')
    .option('--keep-open', 'without those that an open or running batch continues or is a child of')
    .option('--dry-run', 'only count them')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A batch that runs, is open, or is not certified yet is never purged, nor what such a batch is a replay of. One that
differs from its seal stays, and the timeline of the purge names it. Seals stay, and a tombstone for each batch:
docs/retention.md.
A worker on the task queue of the configuration does it; it goes on when this command is stopped.

Example: batchtrail purge --older-than 30d --keep-failed --dry-run`,
    )
    .action(async ({ dryRun, json, ...input }: Options) => {
      const config = configured();
      if (dryRun) return countOld(config, input, json);
      const { purge } = await import('./runPurge.js');
      const { rowsProcessed, staged } = await purge(config, input);
      if (json) return printJson({ batches: rowsProcessed, staged });
      print(`${rowsProcessed} batches purged`);
      print(`${staged.objects} staged objects and ${staged.rows} staging rows removed`);
    });
}

function durationText(text: string): string {
  try {
    duration(text, 'It');
    return text;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

interface OldPipeline {
  readonly PipelineName: string;
  Batches: number;
  Events: number;
  readonly Oldest: string;
}

const AT_ONCE = 1_000;

const COLUMNS: ReadonlyArray<Column<OldPipeline>> = [
  { title: 'PipelineName', shrinkTo: 12, value: ({ PipelineName }) => PipelineName },
  { title: 'Batches', align: 'right', value: ({ Batches }) => String(Batches) },
  { title: 'Events', align: 'right', value: ({ Events }) => String(Events) },
  { title: 'Oldest', value: ({ Oldest }) => dayAndTime(Oldest) },
];

async function countOld(
  config: Config,
  { olderThan, ...kept }: PurgeInput,
  json: boolean | undefined,
): Promise<void> {
  const before = isoTime(Date.now() - duration(olderThan, 'olderThan'));
  const pipelines = new Map<string, OldPipeline>();
  const total = { batches: 0, events: 0 };
  await withAuditReader(config, async (reader) => {
    for await (const page of oldBatches(reader, { before, ...kept }, AT_ONCE)) {
      for (const { PipelineName, StartTime, Events } of page) {
        const known = pipelines.get(PipelineName) ?? {
          PipelineName,
          Batches: 0,
          Events: 0,
          Oldest: StartTime,
        };
        known.Batches++;
        known.Events += Events;
        pipelines.set(PipelineName, known);
        total.batches++;
        total.events += Events;
      }
    }
  });
  const rows = [...pipelines.values()].sort((a, b) => b.Batches - a.Batches);
  if (json) return printJson({ before, ...total, pipelines: rows });
  if (rows.length > 0) print(formatTable(COLUMNS, rows, outputWidth()));
  print(`${total.batches} batches with ${total.events} events ended before ${before} and would be purged`);
}
