import { expect, it } from 'vitest';
import { ProgressReport } from '../../src/cli/replayProgress.js';
import type { ReplayOutcome } from '../../src/domain/replay.js';

const success: ReplayOutcome = { batchId: 1, status: 'Success', workflowId: 'w', runId: 'r' };
const refused: ReplayOutcome = { batchId: 2, refused: 'Batch 2 still runs' };

/** What a terminal shows of what was written to it, and what stood on the bar's line in between. */
function terminal(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  return { written, isTTY, columns, write: (text: string) => written.push(text) };
}

it('in a terminal, a bar is redrawn below the lines, and is gone at the end', () => {
  const screen = terminal(true);
  const report = new ProgressReport(screen, (line) => screen.written.push(`${line}\n`));
  report.show({ total: 4, outcomes: [] });
  report.show({ total: 4, outcomes: [] });
  report.show({ total: 4, outcomes: [success, refused] });
  report.end();
  report.end();
  expect(screen.written).toEqual([
    '[------------------------] 0 of 4: 0 repaired',
    '\r\u001b[2K',
    '1  Success (workflow w, run r)\n',
    '2  refused: Batch 2 still runs\n',
    '[############------------] 2 of 4: 1 repaired, 1 not',
    '\r\u001b[2K',
  ]);
});

it('a bar is never longer than the terminal is wide, where it could not be cleared', () => {
  const screen = terminal(true, 20);
  new ProgressReport(screen, undefined).show({ total: 4, outcomes: [success] });
  expect(screen.written[0]!.length).toBe(19);
});

it('elsewhere there is a line for each outcome, once, and no bar', () => {
  const lines: string[] = [];
  const pipe = terminal(false);
  const report = new ProgressReport(pipe, (line) => lines.push(line));
  report.show({ total: 2, outcomes: [success] });
  report.show({
    total: 2,
    outcomes: [success, { batchId: 3, waits: 'nobody', workflowId: 'w', runId: 'r' }],
  });
  report.end();
  expect(lines).toEqual(['1  Success (workflow w, run r)', '3  waits: nobody (workflow w, run r)']);
  expect(pipe.written).toEqual([]);
});
