/** Shows how far replays are: a line for each outcome, and in a terminal a bar below them that is redrawn. */
import type { ReplayEnd, ReplayOutcome, ReplayProgress, ReplayWait } from '../domain/replay.js';
import { shorten } from './text.js';

const BAR_WIDTH = 24;
const DEFAULT_COLUMNS = 80;
/** Back to the line's begin, and nothing on it. */
const CLEAR_LINE = '\r\u001b[2K';

export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class ProgressReport {
  #told = 0;
  #bar = '';

  constructor(
    /** Where the bar is drawn, if that is a terminal. */
    readonly terminal: Terminal,
    /** Takes the lines; undefined when nobody is to read them. */
    readonly print: ((line: string) => void) | undefined,
  ) {}

  show(progress: ReplayProgress): void {
    const news = progress.outcomes.slice(this.#told);
    this.#told += news.length;
    const bar = this.terminal.isTTY
      ? shorten(barText(progress), (this.terminal.columns ?? DEFAULT_COLUMNS) - 1)
      : '';
    if (news.length === 0 && bar === this.#bar) return;
    this.#clear();
    if (this.print) for (const outcome of news) this.print(outcomeText(outcome));
    this.#bar = bar;
    if (bar !== '') this.terminal.write(bar);
  }

  /** Leaves the lines, and no bar. */
  end(): void {
    this.#clear();
  }

  #clear(): void {
    if (this.#bar !== '') this.terminal.write(CLEAR_LINE);
    this.#bar = '';
  }
}

function barText({ total, outcomes }: ReplayProgress): string {
  const done = total === 0 ? 0 : Math.floor((outcomes.length / total) * BAR_WIDTH);
  const repaired = outcomes.filter(isRepaired).length;
  const others = outcomes.length - repaired;
  const bar = '#'.repeat(done) + '-'.repeat(BAR_WIDTH - done);
  return `[${bar}] ${outcomes.length} of ${total}: ${repaired} repaired${others > 0 ? `, ${others} not` : ''}`;
}

export function isRepaired(outcome: ReplayOutcome): boolean {
  return 'status' in outcome && outcome.status === 'Success';
}

function outcomeText(outcome: ReplayOutcome): string {
  if ('refused' in outcome) return `${outcome.batchId}  refused: ${outcome.refused}`;
  const { batchId, workflowId, runId, note } = outcome;
  const what = note === undefined ? '' : `. ${note}`;
  return `${batchId}  ${endText(outcome)} (workflow ${workflowId}, run ${runId})${what}`;
}

function endText(end: ReplayEnd | ReplayWait): string {
  if ('waits' in end) return `waits: ${end.waits}`;
  return end.error === undefined ? end.status : `${end.status}: ${end.error}`;
}
