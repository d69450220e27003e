import type { Link } from "../ports/transport.ts";
import type { ReasonCode } from "@weir/protocol";

interface PendingAck {
  readonly type: "puback" | "pubrec";
  readonly packetId: number;
  /** Undefined while the engine has not answered. */
  reasonCode: ReasonCode | undefined;
  reasonString: string | undefined;
}

/** Is told of each acknowledgement as it leaves. */
export interface AckListener {
  acknowledged(type: PendingAck["type"], packetId: number, reasonCode: ReasonCode): void;
}

export type Settle = (reasonCode: ReasonCode, reasonString?: string) => void;

/** PUBACKs and PUBRECs leave in the order in which their PUBLISHes came, whichever of them had to wait (semantics.md §2.11). */
export class AckQueue {
  readonly #link: Link;
  readonly #listener: AckListener;
  #pending: PendingAck[] = [];
  #head = 0;

  constructor(link: Link, listener: AckListener) {
    this.#link = link;
    this.#listener = listener;
  }

  get length(): number {
    return this.#pending.length - this.#head;
  }

  /** The acknowledgement is due now, unless others are before it. */
  add(type: PendingAck["type"], packetId: number, reasonCode: ReasonCode, reasonString?: string): void {
    if (this.length === 0) this.#send(type, packetId, reasonCode, reasonString);
    else this.#pending.push({ type, packetId, reasonCode, reasonString });
  }

  /** The acknowledgement keeps its place until the function returned is called. */
  reserve(type: PendingAck["type"], packetId: number): Settle {
    const ack: PendingAck = { type, packetId, reasonCode: undefined, reasonString: undefined };
    this.#pending.push(ack);
    return (reasonCode, reasonString) => {
      ack.reasonCode = reasonCode;
      ack.reasonString = reasonString;
      this.#flush();
    };
  }

  #flush(): void {
    let ack = this.#pending[this.#head];
    while (ack && ack.reasonCode !== undefined) {
      this.#head += 1;
      this.#send(ack.type, ack.packetId, ack.reasonCode, ack.reasonString);
      ack = this.#pending[this.#head];
    }
    if (this.#head === this.#pending.length) {
      this.#pending = [];
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#head);
      this.#head = 0;
    }
  }

  #send(
    type: PendingAck["type"],
    packetId: number,
    reasonCode: ReasonCode,
    reasonString: string | undefined,
  ): void {
    this.#listener.acknowledged(type, packetId, reasonCode);
    if (reasonString === undefined) this.#link.ack(type, packetId, reasonCode);
    else this.#link.send({ type, packetId, reasonCode, properties: { reasonString } });
  }
}
