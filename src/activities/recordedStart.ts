/** How a run was started, by what the audit has of it: for when Temporal has no history of it. */
import type { LoadedDataConverter, Payload } from '@temporalio/common';
import { defineSearchAttributeKey } from '@temporalio/common';
import { encodeUnifiedSearchAttributes } from '@temporalio/common/lib/converter/payload-search-attributes.js';
import { encodeToPayload } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { temporal } from '@temporalio/proto';
import { inputDigest, inputPayloads, keptInput } from '../audit/recordedInput.js';
import type { BatchRecord, PipelineLog } from '../domain/model.js';

type Started = temporal.api.history.v1.IWorkflowExecutionStartedEventAttributes;

export const NOT_RESTORED =
  'Temporal has no history of it: it runs with the recorded input, and without the memo, search attributes, timeouts and retry policy that the first run had';

const SCHEDULE_ID = defineSearchAttributeKey('TemporalScheduledById', 'KEYWORD');
const SCHEDULED_TIME = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

/** Why that is not enough, and what to do. */
interface Unusable {
  readonly unusable: string;
}

export async function startedAsRecorded(
  record: BatchRecord,
  converter: LoadedDataConverter,
): Promise<Started | Unusable> {
  const { batch } = record;
  const payloads = recordedPayloads(record);
  if ('unusable' in payloads) return payloads;
  return {
    workflowType: { name: batch.WorkflowType },
    taskQueue: { name: batch.TaskQueue },
    input: { payloads },
    // The pipeline's name may have come from there.
    memo: { fields: { pipeline: await encodeToPayload(converter, batch.PipelineName) } },
    searchAttributes: { indexedFields: ofSchedule(batch) },
  };
}

function ofSchedule({ ScheduleID, ScheduledTime }: PipelineLog): Record<string, Payload> {
  if (ScheduleID === null || ScheduledTime === null) return {};
  return encodeUnifiedSearchAttributes(undefined, [
    { key: SCHEDULE_ID, value: ScheduleID },
    { key: SCHEDULED_TIME, value: new Date(ScheduledTime) },
  ]);
}

/** The input, if the audit has all of it. */
function recordedPayloads(record: BatchRecord): Payload[] | Unusable {
  const { LogID, InputDigest } = record.batch;
  const unusable = (why: string): Unusable => ({
    unusable: `${why}. Start it again by hand, and then: batchtrail dismiss ${LogID} --reason …`,
  });
  const text = keptInput(record);
  if (text === undefined) {
    return unusable('The audit has no input of it: audit.inputs.keep was off, or the input was too long');
  }
  if (inputDigest(text) !== InputDigest) {
    return unusable(
      'The input that the audit has is redacted, or was changed: it does not match InputDigest',
    );
  }
  return inputPayloads(text);
}
