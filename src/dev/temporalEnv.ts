/** What the environment may and may not tell Temporal's programs and clients about our own server. */

/**
 * The environment without Temporal's own variables (TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE …): they
 * name the user's server, and what runs here must never get to know it.
 */
export function withoutTemporalVariables(env = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^TEMPORAL_/i.test(name)));
}

/**
 * Lets Temporal's clients in this process reach a host without the proxy that `https_proxy` names: they ask the proxy
 * for everything, this machine's own addresses too.
 */
export function bypassProxy(host: string): void {
  const direct = (process.env.no_grpc_proxy || process.env.no_proxy || '').split(',').filter(Boolean);
  if (!direct.includes(host)) process.env.no_grpc_proxy = [...direct, host].join(',');
}
