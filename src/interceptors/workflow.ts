/**
 * The live witness inside the workflow isolate. It sends no command and leaves no trace in history: it only calls
 * sinks, and the worker awaits those before it completes the workflow task.
 */
import { TemporalFailure } from '@temporalio/common';
import { ContinueAsNew, isCancellation, workflowInfo } from '@temporalio/workflow';
import type {
  ActivateInput,
  ConcludeActivationInput,
  WorkflowInterceptorsFactory,
} from '@temporalio/workflow';
import { BUNDLE_MARKER } from './marker.js';
import { beginAudit, nameRun, note, sinks } from './runState.js';

/** Not used by code: the plugin looks for this text in prebuilt bundles. */
export const marker = BUNDLE_MARKER;

const CLOSING_COMMANDS = [
  'completeWorkflowExecution',
  'failWorkflowExecution',
  'cancelWorkflowExecution',
  'continueAsNewWorkflowExecution',
] as const;

export const interceptors: WorkflowInterceptorsFactory = () => {
  beginAudit();
  let isLive = false;
  let isOpened = false;

  return {
    inbound: [
      {
        execute: async (input, next) => {
          nameRun(input.args[0]);
          return reportTaskFailure(() => next(input));
        },
        handleSignal: (input, next) => reportTaskFailure(() => next(input)),
        handleUpdate: (input, next) => reportTaskFailure(() => next(input)),
      },
    ],
    internals: [
      {
        activate(input: ActivateInput, next) {
          // A query of a closed run is answered by replay and is nothing that happened to the batch.
          const isQuery = input.activation.jobs?.every(({ queryWorkflow }) => queryWorkflow != null) ?? true;
          isLive = !isQuery && !workflowInfo().unsafe.isReplayingHistoryEvents;
          next(input);
        },
        concludeActivation(input: ConcludeActivationInput, next) {
          const output = next(input);
          if (!isLive) return output;
          // Not at `execute`: that is replayed, and so missed, after a reset that keeps steps and in runs that were
          // in flight when the plugin was switched on.
          if (!isOpened) sinks().opened(note());
          isOpened = true;
          if (output.commands.some((command) => CLOSING_COMMANDS.some((name) => command[name] != null))) {
            sinks().closing(note());
          }
          return output;
        },
      },
    ],
  };
};

/** An error that is no Temporal failure does not end the run: the workflow task is tried again until the code is mended. */
async function reportTaskFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const endsRun =
      error instanceof TemporalFailure || error instanceof ContinueAsNew || isCancellation(error);
    if (!endsRun) {
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      sinks().taskFailed(note(), message);
    }
    throw error;
  }
}
