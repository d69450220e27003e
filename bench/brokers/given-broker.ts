import type { BrokerKind } from "./broker.ts";

/**
 * A broker that somebody else has started, for `--also name=port` or `--also name=port:pid`. It has to let anonymous
 * clients in; which core it runs on is its owner's business.
 *
 * @throws Error naming what was given
 */
export function givenBroker(text: string): BrokerKind {
  const [, name, port, pid] = /^([\w.-]+)=(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--also ${text} is not name=port or name=port:pid`);
  return {
    name,
    hasAccessControl: false,
    hasWebSocket: false,
    setup: `as it runs at port ${port}, anonymous`,
    start: () =>
      Promise.resolve({
        port: Number(port),
        ...(pid !== undefined && { pid: Number(pid) }),
        credentials: new Map(),
        stop: () => Promise.resolve(),
      }),
  };
}
