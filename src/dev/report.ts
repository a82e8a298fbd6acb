/** How long work is made visible: one human line per step, and a sign of life while a step lasts. */
export type Report = (line: string) => void;

/** Waits for `work`, and until then reports `line` every so often with the time that has passed. */
export async function reportWhile<T>(
  work: Promise<T>,
  report: Report,
  line: (elapsed: string) => string,
  everySeconds = 15,
): Promise<T> {
  let seconds = 0;
  const timer = setInterval(() => report(line(`${(seconds += everySeconds)} s`)), everySeconds * 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
