import { cut } from './text.js';

/**
 * What people and programs name as they like is cut to what every engine takes: a row is then the same on all of them,
 * and so is its hash.
 */
const LONGEST = {
  PipelineName: 255,
  RunByUser: 1_000,
  SourceSystem: 1_000,
  TargetSystem: 1_000,
  StepName: 1_000,
  ErrorType: 1_000,
  Worker: 1_000,
  Message: 5_300_000,
  ErrorMessage: 5_300_000,
  CustomMessage: 5_300_000,
} as const;

type Texts = { -readonly [Name in keyof typeof LONGEST]?: string | null };

export function fitted<Row extends Texts>(row: Row): Row {
  let fit: Row | undefined;
  for (const [name, length] of Object.entries(LONGEST) as Array<[keyof Texts, number]>) {
    const text = row[name];
    if (typeof text === 'string' && text.length > length) (fit ??= { ...row })[name] = cut(text, length);
  }
  return fit ?? row;
}
