import { type Qos, ReasonCode } from "@weir/protocol";
import type { Plain, Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { Counters } from "../ports/telemetry.ts";
import type { Link } from "../ports/transport.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { NeededRecords } from "../routing/needed-records.ts";
import type { RecordHolder, Router } from "../routing/router.ts";
import { fromPlain } from "../routing/stored-message.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import { InFlight, type InFlightEntry } from "./in-flight.ts";
import type { MessageSender } from "./message-sender.ts";
import type { OutgoingOwner } from "./outgoing.ts";
import { type SavedEntry, savedState, toSaved } from "./saved-entry.ts";
import { ShareReturns } from "./share-returns.ts";

export interface InFlightWindowOptions {
  readonly owner: OutgoingOwner;
  readonly router: Router;
  readonly counters: Counters;
  readonly inFlightBytes: number;
  /** Of the present connection. */
  readonly receiveMaximum: number;
  readonly sender: MessageSender;
  /** Who fills the window; told when a place in it came free by itself. */
  readonly home: { pump(): void };
}

/** QoS 1 may be saved this many acknowledgements late (semantics.md §2.4). */
const lazySaveAcks = 1_000;

/** What is in flight to a client, within its Receive Maximum: sent, saved where it must be, and sent again on return. */
export class InFlightWindow implements RecordHolder {
  readonly returns: ShareReturns;
  readonly #options: InFlightWindowOptions;
  readonly #owner: OutgoingOwner;
  readonly #sender: MessageSender;
  readonly #entries = new InFlight();
  #receiveMaximum: number;
  #outstanding = 0;
  /** Until what was in flight has been read back, nothing new may overtake it. */
  #isResuming = false;
  /** In flight since an earlier connection, to be sent again. */
  #resend: InFlightEntry[] = [];
  #acksSinceSave = 0;
  #lastSaving: InFlightEntry | undefined;
  #isHolder = false;

  constructor(options: InFlightWindowOptions) {
    this.#options = options;
    this.#owner = options.owner;
    this.#sender = options.sender;
    this.#receiveMaximum = options.receiveMaximum;
    this.returns = new ShareReturns(options.owner);
  }

  get count(): number {
    return this.#entries.count;
  }

  get isResuming(): boolean {
    return this.#isResuming;
  }

  /** How many more messages may be put in flight now. */
  get room(): number {
    if (!this.#sender.link?.hasRoom || this.#isResuming || this.#resend.length > 0) return 0;
    if (this.#entries.heldBytes >= this.#options.inFlightBytes) {
      this.#options.counters.limitReached["limits.inFlightBytes"] += 1;
      return 0;
    }
    return Math.min(this.#receiveMaximum - this.#outstanding, 65_535 - this.#entries.count);
  }

  /** A message waits for its save: whatever comes behind it waits too, so that the order of the log holds. */
  get isSaving(): boolean {
    const last = this.#lastSaving;
    return last?.state === "saving" && this.#entries.get(last.packetId) === last;
  }

  /** A connection serves the session: what was in flight goes out again first [MQTT-4.4.0-1]. */
  async attach(link: Link, receiveMaximum: number): Promise<void> {
    this.#receiveMaximum = receiveMaximum;
    this.#outstanding = 0;
    this.#isResuming = true;
    await this.#load();
    if (this.#sender.link !== link) return;
    this.#isResuming = false;
    this.#resend = this.#entries.inOrder();
    for (const entry of this.#resend) entry.state = savedState(entry.state); // CONNACK has waited for the save
  }

  /** The connection is gone: what share groups gave goes back, but for QoS 2 that may have been sent [MQTT-4.8.2-5]. */
  detach(): void {
    this.#resend = [];
    for (const entry of this.#entries.inOrder()) {
      entry.isOutstanding = false;
      if (!entry.origin || (entry.qos === 2 && entry.state !== "saving")) continue;
      this.#entries.delete(entry.packetId);
      this.returns.giveBack(entry);
    }
  }

  /** Sends again what there is room for. */
  pump(link: Link): void {
    while (this.#resend.length > 0 && link.hasRoom) {
      const entry = this.#resend[0] as InFlightEntry;
      if (entry.state === "sent" && this.#outstanding >= this.#receiveMaximum) return;
      this.#resend.shift();
      this.#sendAgain(link, entry);
    }
  }

  /** Puts a message in flight. False: no packet id is free. */
  start(
    message: Message,
    delivery: Delivery,
    seq: Seq | undefined,
    origin: SharedOrigin | undefined,
  ): boolean {
    const packetId = this.#entries.nextId();
    if (packetId === undefined) return false;
    const { record } = this.#owner;
    const qos = Math.min(message.qos, delivery.qos) as Exclude<Qos, 0>;
    const entry: InFlightEntry = {
      packetId,
      qos,
      state: record && (qos === 2 || this.isSaving) ? "saving" : "sent",
      message,
      seq,
      retain: delivery.retainAsPublished && message.retain,
      identifiers: delivery.identifiers,
      hasPosition: delivery.hasPosition && seq !== undefined,
      origin,
      isOutstanding: true,
    };
    this.#entries.add(entry);
    if (!this.#isHolder) this.#becomeHolder();
    this.#outstanding += 1;
    if (origin) record?.mark("progress"); // the group's cursor has passed it
    if (entry.state === "saving") this.#saveThenSend(entry);
    else this.#send(entry, false);
    return true;
  }

  // ---------------------------------------------------------------- acknowledgements

  /** False: the client acknowledges what was not sent so. */
  puback(packetId: number): boolean {
    const entry = this.#entries.get(packetId);
    if (!entry) return true;
    if (entry.qos !== 1) return false;
    this.#acknowledge(entry);
    return true;
  }

  /** What to do: answer with PUBREL, answer that the id is unknown, close, or nothing. */
  pubrec(packetId: number, reasonCode: ReasonCode): "done" | "unknown" | "mismatch" {
    const entry = this.#entries.get(packetId);
    if (!entry) return reasonCode >= 0x80 ? "done" : "unknown";
    if (entry.qos !== 2 || entry.state === "saving") return "mismatch";
    if (reasonCode >= 0x80) this.#acknowledge(entry);
    else this.#release(entry);
    return "done";
  }

  /** False: the client completes what was not released. */
  pubcomp(packetId: number): boolean {
    const entry = this.#entries.get(packetId);
    if (!entry) return true;
    if (entry.state !== "released") return false;
    this.#acknowledge(entry);
    return true;
  }

  // ---------------------------------------------------------------- what is saved of it

  get lastId(): number {
    return this.#entries.lastId;
  }

  saved(): Plain {
    this.#acksSinceSave = 0;
    return [...this.#entries.inOrder().map(toSaved), ...this.returns.entries] as unknown as Plain;
  }

  recover(lastId: number, inFlight: readonly SavedEntry[]): void {
    const { router } = this.#options;
    this.#entries.continueAfter(lastId);
    if (inFlight.length > 0) this.#becomeHolder();
    for (const saved of inFlight) {
      this.#entries.add({
        packetId: saved.packetId,
        qos: saved.qos,
        state: saved.state === "released" ? "released" : "sent",
        seq: saved.seq ?? undefined,
        retain: saved.retain,
        identifiers: saved.identifiers ?? undefined,
        hasPosition: saved.hasPosition ?? false,
        message: saved.message ? fromPlain(saved.message, (name) => router.topic(name)) : undefined,
        origin: saved.groupKey === null ? undefined : router.openGroup(saved.groupKey),
        isOutstanding: false,
      });
    }
  }

  /** The records that the log has to keep for what is in flight. */
  collect(into: NeededRecords): boolean {
    this.#isHolder = this.count > 0;
    for (const entry of this.#isHolder ? this.#entries.inOrder() : []) {
      if (entry.seq !== undefined && entry.state !== "released") into.add(entry.seq);
    }
    return this.#isHolder;
  }

  #becomeHolder(): void {
    this.#isHolder = true;
    this.#options.router.addHolder(this);
  }

  // ---------------------------------------------------------------- within

  /** QoS 2: that P stands for this message is saved before PUBLISH (semantics.md §2.4). */
  #saveThenSend(entry: InFlightEntry): void {
    this.#lastSaving = entry;
    this.#owner.record?.saveThen(["progress"], () => {
      if (this.#entries.get(entry.packetId) !== entry || entry.state !== "saving") return;
      entry.state = "sent";
      if (entry.isOutstanding) this.#send(entry, false);
      if (!this.#entries.get(entry.packetId)) this.#options.home.pump(); // too large: its place is free again
    });
  }

  #send(entry: InFlightEntry, dup: boolean): void {
    if (!this.#sender.send(entry, dup)) this.#free(entry);
  }

  #release(entry: InFlightEntry): void {
    const { record } = this.#owner;
    this.#entries.setMessage(entry, undefined);
    if (entry.state === "released" || !record) {
      entry.state = "released";
      this.#sender.link?.ack("pubrel", entry.packetId, ReasonCode.success);
      return;
    }
    if (entry.state === "releasing") return;
    entry.state = "releasing";
    record.saveThen(["progress"], () => {
      if (this.#entries.get(entry.packetId) !== entry || entry.state !== "releasing") return;
      entry.state = "released";
      this.#sender.link?.ack("pubrel", entry.packetId, ReasonCode.success);
    });
  }

  #acknowledge(entry: InFlightEntry): void {
    this.#free(entry);
    this.#saveLazily();
    this.#options.home.pump();
  }

  #free(entry: InFlightEntry): void {
    this.#entries.delete(entry.packetId);
    this.returns.finish(entry);
    if (entry.isOutstanding) this.#outstanding -= 1;
    entry.isOutstanding = false;
    this.#acksSinceSave += 1;
  }

  #saveLazily(): void {
    const { record } = this.#owner;
    if (!record) return;
    record.mark("progress");
    if (this.#acksSinceSave >= lazySaveAcks) record.saveThen([], () => {});
  }

  /** What may no longer be read is not sent again: QoS 1 is freed, a QoS 2 id rests (semantics.md §1.8). */
  #sendAgain(link: Link, entry: InFlightEntry): void {
    if (this.#entries.get(entry.packetId) !== entry) return;
    if (entry.state === "released") {
      link.ack("pubrel", entry.packetId, ReasonCode.success);
      return;
    }
    const mayRead = entry.message !== undefined && this.#owner.canRead(entry.message.topic);
    if (mayRead) {
      entry.isOutstanding = true;
      this.#outstanding += 1;
      this.#send(entry, true);
    } else {
      this.#owner.dropped(entry.message ? "acl" : "queue-full", 1, entry.message?.payload.length ?? 0);
      if (entry.qos === 1) this.#free(entry);
    }
  }

  /** After a restart: what was in flight is read from the log. */
  async #load(): Promise<void> {
    const missing = this.#entries
      .inOrder()
      .filter((entry) => !entry.message && entry.seq && entry.state === "sent");
    if (missing.length === 0) return;
    const { router } = this.#options;
    const found = await router.fetch(missing.map((entry) => entry.seq as Seq));
    const bySeq = new Map(found.map(({ seq, message }) => [seq, message]));
    for (const entry of missing) {
      const message = bySeq.get(entry.seq as Seq);
      const isPlain = !message || !entry.hasPosition;
      this.#entries.setMessage(entry, isPlain ? message : router.positioned(message, entry.seq as Seq));
    }
  }
}
