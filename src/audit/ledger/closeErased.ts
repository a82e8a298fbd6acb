/** What happens to the audit tables when Temporal no longer has the history of a run that is not certified. */
import { isAttemptEnd, isLate, markLate } from '../../domain/merge.js';
import type { BatchRecord, PipelineEvent, PipelineLog, PipelineRun } from '../../domain/model.js';
import type { RunEnd, RunHistory } from '../history.js';
import { hashed } from '../proof.js';
import type { Ledger } from './ledger.js';
import { settle, writeSettlements } from './settleRuns.js';

const UNKNOWN_END =
  'Temporal no longer knows this run, and nobody saw its end: how it ended is unknown, and when, too. EndTime is when a worker last saw it';

/**
 * Gives up on the run's certificate, so that nobody looks for it again: CertifiedAt is set, and CertifiedEventID stays
 * NULL, because no history was read; `verify` calls that a gap. A run whose end nobody saw is `TimedOut`: of what a
 * status can say, that is nearest to the truth (it was waited for until Temporal forgot it), and it opens the batch for a
 * person to look at, which `Running` for ever would not. A run that was certified before keeps its certificate.
 *
 * Answers the run as it is then; undefined when somebody was faster.
 */
export async function closeErased(ledger: Ledger, runID: string): Promise<PipelineRun | undefined> {
  const [known] = await ledger.tx.findRuns([runID]);
  if (!known || known.CertifiedAt !== null) return undefined;
  const [record] = await ledger.tx.readBatches([known.LogID]);
  const run = record?.runs.find(({ RunID }) => RunID === runID);
  if (!record || !run || run.CertifiedAt !== null) return undefined;
  return run.CertifiedEventID === null ? giveUp(ledger, record, run) : certifyAgain(ledger, record, run);
}

async function giveUp(ledger: Ledger, record: BatchRecord, run: PipelineRun): Promise<PipelineRun> {
  const history = whatIsLeft(record, run);
  const { events, ...settlement } = settle(record, history, ledger.now);
  const [written] = await writeSettlements(ledger, [
    {
      record,
      history,
      settlement: {
        ...settlement,
        run: { ...settlement.run, CertifiedAt: ledger.now },
        // What is known about lost attempts, workers told.
        events: events.map((event) => (event.EventType === 'lost' ? { ...event, Witness: 'live' } : event)),
      },
    },
  ]);
  return written!;
}

/** What workers, or Temporal's list of closed runs, told before. */
function whatIsLeft({ batch, events }: BatchRecord, run: PipelineRun): RunHistory {
  const seen = events.filter(({ RunID }) => RunID === run.RunID).map(({ EventTime }) => EventTime);
  const lastSeen = [run.StartTime, ...seen].sort().at(-1)!;
  const isEnded = run.Status !== 'Running';
  const message = isEnded ? run.ErrorMessage : UNKNOWN_END;
  const end: RunEnd = {
    status: isEnded ? run.Status : 'TimedOut',
    time: run.EndTime ?? lastSeen,
    error: message === null ? undefined : { type: 'HistoryErased', message },
    counts: {},
    // How a batch is that goes on in another run, that one says.
    byReset: batch.RunID !== run.RunID,
    willRetry: false,
  };
  return {
    start: startOf(batch, run),
    end,
    activities: [],
    lastEventID: null,
    baseRunID: null,
    redone: [],
    historyHash: null,
    input: null,
  };
}

function startOf(batch: PipelineLog, { RunID, StartTime }: PipelineRun): RunHistory['start'] {
  return {
    ...batch,
    RunID,
    RunStartTime: StartTime,
    Namespace: batch.Namespace ?? '',
    WorkflowID: batch.WorkflowID ?? '',
    OriginalRunID: batch.OriginalRunID ?? RunID,
    previousRunID: null,
    parentRunID: null,
    replayedRunID: null,
  };
}

/** A late event came after its history was gone. What history has not confirmed then, Temporal did not wait for. */
async function certifyAgain(ledger: Ledger, record: BatchRecord, run: PipelineRun): Promise<PipelineRun> {
  const { tx, now } = ledger;
  const isNews = (event: PipelineEvent): boolean =>
    event.RunID === run.RunID && event.Witness === 'live' && isAttemptEnd(event) && !isLate(event);
  // A certificate leaves ends of attempts that were tried again, or lost, as workers told them.
  const late = record.events.filter(
    (event) => isNews(event) && event.EventType !== 'retry' && event.EventType !== 'lost',
  );
  const certified = { ...run, CertifiedAt: now };
  await tx.putEvents(late.map((event) => hashed(markLate(event))));
  await tx.updateRuns([certified]);
  ledger.changed([run.LogID]);
  return certified;
}
