import type { Qos } from "@weir/protocol";

export type DropReason = "queue-full" | "expired" | "acl" | "slow" | "too-large" | "replay-truncated";

/** Plain numbers that the hot path adds to; whoever exposes them reads them at its leisure. */
export interface Counters {
  readonly messagesReceived: Record<Qos, number>;
  readonly messagesSent: Record<Qos, number>;
  readonly messagesDropped: Record<DropReason, number>;
  readonly authFailures: Record<string, number>;
  publishDenied: number;
  subscribeDenied: number;
  bytesReceived: number;
  bytesSent: number;
  connectionsTotal: number;
  connectionsRefused: number;
}

export function createCounters(): Counters {
  return {
    messagesReceived: { 0: 0, 1: 0, 2: 0 },
    messagesSent: { 0: 0, 1: 0, 2: 0 },
    messagesDropped: { "queue-full": 0, expired: 0, acl: 0, slow: 0, "too-large": 0, "replay-truncated": 0 },
    authFailures: {},
    publishDenied: 0,
    subscribeDenied: 0,
    bytesReceived: 0,
    bytesSent: 0,
    connectionsTotal: 0,
    connectionsRefused: 0,
  };
}

/** Structured events of the core. Fields never hold a payload, a credential or a key. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}
