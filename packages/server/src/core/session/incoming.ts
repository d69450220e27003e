/** What is known of a QoS 2 packet id that a client uses. */
export interface InboundEntry {
  /** `unknown`: the log did not say whether it has the message; `id` is what to look it up by. */
  state: "pending" | "owned" | "unknown";
  readonly id: string;
  /** The log has its message: then that P is free again has to be durable before PUBCOMP. */
  readonly isLogged: boolean;
  /** Settles when the state leaves `pending`. */
  settled: Promise<void> | undefined;
}

/** The QoS 2 packet ids that a client has used and not yet released [MQTT-4.3.3-10]. */
export class Incoming {
  readonly #entries = new Map<number, InboundEntry>();
  #counter = 0;

  get(packetId: number): InboundEntry | undefined {
    return this.#entries.get(packetId);
  }

  set(packetId: number, entry: InboundEntry): void {
    this.#entries.set(packetId, entry);
  }

  delete(packetId: number): void {
    this.#entries.delete(packetId);
  }

  get ids(): number[] {
    return [...this.#entries.keys()];
  }

  /** Names one use of a packet id, so that the log can tell a retry from a new message under the same id. */
  nextUse(incarnation: string): string {
    this.#counter += 1;
    return `${incarnation}:${this.#counter}`;
  }

  /** Recovery: the log has the message of this packet id. */
  recover(packetId: number): void {
    this.#entries.set(packetId, { state: "owned", id: "", isLogged: true, settled: undefined });
  }
}
