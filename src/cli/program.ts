/** The commands together: global options, exit codes, and how errors are told. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { Config } from '../config.js';
import { loadConfig, secretsOf } from '../config.js';
import { addBackfill } from './backfill.js';
import { addBatches } from './batches.js';
import { addDemo } from './demo.js';
import { addDev } from './dev.js';
import { addDigest } from './digest.js';
import { addDismiss } from './dismiss.js';
import { errorText } from './errorText.js';
import { addLineage } from './lineage.js';
import { addMigrate } from './migrate.js';
import { addOutbox } from './outbox.js';
import { addPurge } from './purge.js';
import { addReconcile } from './reconcile.js';
import { addReplay } from './replay.js';
import { addRows } from './rows.js';
import { addShow } from './show.js';
import { addSql } from './sql.js';
import { addVerify } from './verify.js';
import { addWorker } from './worker.js';

const DONE = 0;
const FAILED = 1;
const BAD_USAGE = 2;

/** Reads the configuration when a command needs it; not all do. */
export type Configured = () => Config;

/** In the order of the help. */
const COMMANDS = [
  ...[addDemo, addDev, addWorker, addBatches, addShow, addSql, addLineage, addRows],
  ...[addReplay, addDismiss],
  ...[addVerify, addDigest, addReconcile, addBackfill, addOutbox, addPurge, addMigrate],
];

/** Runs one command line and answers its exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const secrets: string[] = [];
  const program = newProgram();
  const configured: Configured = () => {
    const config = loadConfig(program.opts<{ config?: string }>().config);
    secrets.push(...secretsOf(config));
    return config;
  };
  for (const add of COMMANDS) add(program, configured);
  try {
    await program.parseAsync(argv);
    return DONE;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : BAD_USAGE;
    process.stderr.write(`batchtrail: ${errorText(error, secrets)}\n`);
    return FAILED;
  }
}

function newProgram(): Command {
  return new Command('batchtrail')
    .description('ETL jobs as durable Temporal workflows, with an audit trail that writes itself')
    .version(packageVersion())
    .option('--config <file>', 'configuration file (default: BATCHTRAIL_CONFIG, else batchtrail.yaml)')
    .exitOverride()
    .configureOutput({
      outputError: (message, write) => {
        write(
          `batchtrail: ${errorText(message.replace(/^error: |\.?\s*$/g, ''), [])}. See batchtrail --help\n`,
        );
      },
    });
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
