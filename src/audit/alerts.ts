import type { NewAlert } from '../engines/contract.js';
import type { PipelineEvent } from '../domain/model.js';
import { shortened } from '../domain/text.js';

/** The alert about a step that failed for good. */
export function stepAlert(failure: PipelineEvent, now: string): NewAlert {
  const why = failure.ErrorMessage ?? failure.ErrorType ?? 'no message';
  return {
    LogID: failure.LogID,
    EventID: failure.EventID,
    Rule: 'step-failed',
    Severity: 'error',
    RaisedAt: now,
    ResolvedAt: null,
    Message: alertMessage(`${failure.StepName} failed for good at attempt ${failure.Attempt}: ${why}`),
  };
}

const LONGEST_MESSAGE = 4_000;

/** An alert is read at a glance; the whole text stands in the event or on the batch. */
export function alertMessage(text: string): string {
  return shortened(text, LONGEST_MESSAGE, 'ErrorMessage');
}
