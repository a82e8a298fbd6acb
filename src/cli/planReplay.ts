/** What a replay would do, by what the audit and Temporal say. Nothing is changed. */
import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { decode } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { FailedRun } from '../activities/failedRun.js';
import { findChain, refusal } from '../activities/mayReplay.js';
import { inGroups } from '../audit/inGroups.js';
import { openBatches } from '../audit/openBatches.js';
import { redactedText } from '../audit/recordedInput.js';
import type { Config } from '../config.js';
import { secretsOf } from '../config.js';
import type { OpenFilter, Refusal, ReplayFrom, ReplayInput } from '../domain/replay.js';
import type { AuditReader } from '../engines/contract.js';
import { withAuditReader } from './audit.js';
import { errorText } from './errorText.js';
import type { ReplacedRows } from './replacedRows.js';
import { replacedRows } from './replacedRows.js';
import { withClient } from './temporalClient.js';
import { shorten } from './text.js';

const AT_ONCE = 8;
const LONGEST_SHOWN = 200;

/** As `--json` prints it. */
export type PlannedReplay = { readonly batchId: number } & (Plan | Refusal);

export interface Plan {
  readonly pipeline: string;
  readonly from: ReplayFrom;
  /** The step that would be the first to be done again; null for all of them, and where no step had failed. */
  readonly step: string | null;
  /** Its beginning, with what is secret hidden. */
  readonly input: string;
  /** The rows whose place it takes; undefined where the targets could not be asked. */
  readonly replaces?: readonly ReplacedRows[];
  readonly note?: string;
}

/** With the batches that it takes the place of: none when it goes on with its own. */
type Draft = Refusal | { readonly plan: Plan; readonly chain: readonly number[] };

export function planReplays(
  config: Config,
  which: readonly number[] | OpenFilter,
  how: Pick<ReplayInput, 'from' | 'force'>,
): Promise<PlannedReplay[]> {
  return withAuditReader(config, (reader) =>
    withClient(config, async (client) => {
      const logIDs = 'length' in which ? which : (await openBatches(reader, which)).map(({ LogID }) => LogID);
      const drafts: Array<{ readonly batchId: number; readonly draft: Draft }> = [];
      const keys = config.audit.inputs?.redact ?? [];
      for (const group of inGroups(logIDs, AT_ONCE)) {
        const planned = group.map(async (batchId) => ({
          batchId,
          draft: await planReplay(reader, client, { batchId, ...how }, keys),
        }));
        drafts.push(...(await Promise.all(planned)));
      }
      const chains = drafts.flatMap(({ draft }) => ('chain' in draft ? draft.chain : []));
      const listed = await listedRows(config, reader, chains);
      return drafts.map(({ batchId, draft }) => {
        if ('refused' in draft) return { batchId, ...draft };
        const { plan, chain } = draft;
        const replaces = listed && chain.flatMap((logID) => listed.get(logID) ?? []);
        return { batchId, ...plan, ...(replaces ? { replaces } : {}) };
      });
    }),
  );
}

/** Undefined when not all targets can be asked; then it is said why. */
async function listedRows(
  config: Config,
  reader: AuditReader,
  logIDs: readonly number[],
): Promise<Map<number, ReplacedRows[]> | undefined> {
  if (logIDs.length === 0) return new Map();
  try {
    return await replacedRows(config, await reader.storeID(), [...new Set(logIDs)]);
  } catch (error) {
    process.stderr.write(`What would be replaced is not shown: ${errorText(error, secretsOf(config))}\n`);
    return undefined;
  }
}

async function planReplay(
  reader: AuditReader,
  client: Client,
  { batchId, from = 'start', force }: ReplayInput,
  keys: readonly string[],
): Promise<Draft> {
  const chain = await findChain(reader, batchId);
  if ('refused' in chain) return chain;
  const [record] = chain;
  const refused = refusal(record.batch, { force }, client.options.namespace);
  if (refused) return refused;
  const run = new FailedRun(client, record);
  const point = from === 'failure' ? await run.resetPoint() : undefined;
  if (point && 'refused' in point) return point;
  const start = await run.newStart();
  if ('refused' in start) return start;
  const conflict = await run.conflict();
  if (conflict) return conflict;
  const { started, note } = start;
  const plan: Plan = {
    ...{ pipeline: record.batch.PipelineName, from, step: point?.step ?? null },
    input: await shownInput(client, started.input?.payloads ?? [], keys),
    ...(note === undefined ? {} : { note }),
  };
  return { plan, chain: from === 'start' ? chain.map(({ batch }) => batch.LogID) : [] };
}

async function shownInput(
  client: Client,
  payloads: readonly Payload[],
  keys: readonly string[],
): Promise<string> {
  const { payloadCodecs } = client.options.loadedDataConverter;
  // What can't be decoded here is shown as it is.
  const decoded = await decode(payloadCodecs, [...payloads]).catch(() => payloads);
  const shown = JSON.parse(redactedText(decoded, keys)) as Array<{ data: unknown }>;
  const texts = shown.map(({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)));
  return shorten(texts.join(', '), LONGEST_SHOWN);
}
