import { LazyMap } from "./lazy-map.ts";

/** What is known of a QoS 2 packet id that a client uses. */
export interface InboundEntry {
  /** `unknown`: the log did not say whether it has the message. `missing`: it surely has not, and is to be asked again. */
  state: "pending" | "owned" | "unknown" | "missing";
  /** Names this use of the packet id in the log, where the message is to be in it. */
  readonly logId: string | undefined;
  /** PUBREL has come, and is not durable yet: the next save forgets the id. */
  isReleased?: boolean;
  /** Settles when the state leaves `pending`. */
  settled: Promise<void> | undefined;
}

/** The QoS 2 packet ids that a client has used and not yet released [MQTT-4.3.3-10]. */
export class Incoming {
  readonly #entries = new LazyMap<number, InboundEntry>();
  #counter = 0;

  get(packetId: number): InboundEntry | undefined {
    return this.#entries.get(packetId);
  }

  set(packetId: number, entry: InboundEntry): void {
    this.#entries.set(packetId, entry);
  }

  /** The broker has done with the message what there was to do, and nothing of it is in the log. */
  own(packetId: number): void {
    this.set(packetId, { state: "owned", logId: undefined, settled: undefined });
  }

  delete(packetId: number): void {
    this.#entries.delete(packetId);
  }

  /**
   * The ids whose messages the log has: a view of it as of its tail, for the session's record. An id whose message is
   * not in the log must not be in there, else a crash that forgets its release would swallow the next message under it.
   */
  get loggedIds(): number[] {
    const logged = [...this.#entries.entries()].filter(
      ([, entry]) => entry.state === "owned" && entry.logId !== undefined && !entry.isReleased,
    );
    return logged.map(([packetId]) => packetId);
  }

  /**
   * Names one use of a packet id, so that the log can tell a retry from a new message under the same id.
   *
   * @param epoch another one after each restart, since the count begins anew
   */
  nextUse(incarnation: string, epoch: number): string {
    this.#counter += 1;
    return `${incarnation}:${epoch}:${this.#counter}`;
  }

  /** The log's tail has shown the message of this packet id, whether or not its append has been answered. */
  logged(packetId: number): void {
    const entry = this.get(packetId);
    if (entry && entry.logId !== undefined) entry.state = "owned";
  }

  /** Recovery: the log has the message of this packet id. */
  recover(packetId: number): void {
    this.set(packetId, { state: "owned", logId: "", settled: undefined });
  }
}
