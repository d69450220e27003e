import type { Qos } from "@weir/protocol";

/** A message of a publisher, with what it knows of it. */
export interface Sent {
  /** The payload begins with it; no two messages have the same. */
  readonly id: string;
  readonly by: string;
  /** Counts the messages of one publisher. */
  readonly number: number;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** On the ledger's count. */
  readonly sentAt: number;
  lastSentAt: number;
  /** How often PUBLISH went out. */
  sendings: number;
  /** PUBACK or PUBREC has come. */
  isAcknowledged: boolean;
  /** On the clock that never jumps (`process.hrtime`). */
  acknowledgedAtMs: number | undefined;
}

/** A message as an application got it. */
export interface Received {
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly receivedAt: number;
  readonly connection: ConnectionSpan;
  /** When PUBACK went out. */
  answeredAtMs: number | undefined;
}

export interface ConnectionSpan {
  /** On the ledger's count: when its last subscription was granted. */
  grantedAt: number;
  endedAtMs: number | undefined;
}

/** An end of the broker: from the signal until the process was gone. */
export interface BrokerEnd {
  readonly atMs: number;
  readonly goneAtMs: number;
}

/** What all clients of a run have sent, in one order, and what went wrong. */
export class Ledger {
  readonly sent = new Map<string, Sent>();
  readonly ends: BrokerEnd[] = [];
  readonly problems: string[] = [];
  acknowledged = 0;
  #count = 0;

  /** Says of two events which came first. */
  tick(): number {
    this.#count += 1;
    return this.#count;
  }

  /** What was judged. */
  forget(): void {
    this.sent.clear();
    this.problems.length = 0;
    this.acknowledged = 0;
  }

  fail(problem: string): void {
    this.problems.push(problem);
  }
}
