/** The connections that batches may have written to, opened for the commands that look at their rows. */
import type { Config } from '../config.js';
import { BadConfig, BadInput } from '../domain/errors.js';
import { show } from '../domain/shape.js';
import type { Engine } from '../engines/contract.js';
import type { TargetReader } from '../engines/targetReaderContract.js';
import { anyEngineFor } from '../engines/index.js';

export interface OpenTarget {
  readonly connection: string;
  readonly reader: TargetReader;
}

interface Candidate {
  readonly connection: string;
  readonly url: string;
  readonly engine: Engine;
}

export async function withTargets<T>(
  config: Config,
  named: string | undefined,
  work: (targets: readonly OpenTarget[]) => Promise<T>,
): Promise<T> {
  const candidates = named === undefined ? await allCandidates(config) : [await candidate(config, named)];
  const opened = await Promise.allSettled(
    candidates.map(({ engine, url }) => engine.openTargetReader!({ url })),
  );
  const targets = opened.flatMap((one, index) =>
    one.status === 'fulfilled' ? [{ connection: candidates[index]!.connection, reader: one.value }] : [],
  );
  try {
    const failed = opened.findIndex(({ status }) => status === 'rejected');
    if (failed >= 0) throw notOpened(candidates[failed]!, opened[failed] as PromiseRejectedResult, named);
    return await work(targets);
  } finally {
    await Promise.all(targets.map(({ reader }) => reader.close()));
  }
}

/** As people read it: `dwh (postgres://host/dwh)`. */
export function targetName({ connection, reader }: OpenTarget): string {
  return `${connection} (${reader.label})`;
}

/** The database of the audit is one, too: the warehouse may stand beside it, whether a connection says so or not. */
function placesOf({ audit, connections }: Config): Record<string, { readonly url: string }> {
  return { audit: { url: audit.url }, ...connections };
}

async function candidate(config: Config, connection: string): Promise<Candidate> {
  const places = placesOf(config);
  const place = Object.hasOwn(places, connection) ? places[connection] : undefined;
  if (!place) {
    throw new BadInput(
      `There is no connection ${show(connection)}. The configuration has: ${Object.keys(places).join(', ')}`,
    );
  }
  const engine = await engineOf(connection, place.url);
  if (holdsTables(engine)) return { connection, url: place.url, engine };
  throw new BadConfig(`The connection ${connection} is no database, so no batch has written rows to it`);
}

/** One for each place, by the name that comes last: the user's own names come after ours. */
async function allCandidates(config: Config): Promise<Candidate[]> {
  const byUrl = new Map<string, Candidate>();
  for (const [connection, { url }] of Object.entries(placesOf(config))) {
    const engine = await engineOf(connection, url);
    if (holdsTables(engine)) byUrl.set(url, { connection, url, engine });
  }
  return [...byUrl.values()];
}

function engineOf(connection: string, url: string): Promise<Engine> {
  return anyEngineFor(url, `connections.${connection}.url`);
}

function holdsTables(engine: Engine): boolean {
  return engine.openTargetReader !== undefined;
}

function notOpened(
  { connection }: Candidate,
  { reason }: PromiseRejectedResult,
  named: string | undefined,
): unknown {
  if (named !== undefined) return reason;
  return new BadConfig(
    `The connection ${connection} can't be looked at: ${(reason as Error).message}. To ask another one alone, rows and lineage take --connection`,
    { cause: reason },
  );
}
