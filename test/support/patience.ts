/** How long `expect.poll` waits for what must come true: a machine that is busy with other work takes its time. */
export const PATIENCE = { timeout: 60_000, interval: 50 };
