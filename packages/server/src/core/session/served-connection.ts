import type { ConnectPacket, ProtocolVersion, Qos, ReasonCode } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { Principal } from "../access/principal.ts";
import type { Publisher } from "../ports/message.ts";
import type { Link, Peer } from "../ports/transport.ts";
import type { Topic } from "../routing/topic-table.ts";
import { type AckListener, AckQueue } from "./ack-queue.ts";
import type { ClientServices } from "./client-services.ts";
import type { PublishMeter } from "./publish-meter.ts";
import type { Attachment, Session } from "./session.ts";
import type { ConnectionEnd } from "./session-directory.ts";
import type { TenantUsage } from "./tenant-usage.ts";

/** The last publish that the policy allowed: publishers repeat themselves. */
interface AllowedPublish {
  readonly topic: Topic;
  readonly policy: Policy;
  readonly qos: Qos;
  readonly retain: boolean;
}

/** The session that a CONNECT has opened, and whether it was there before. */
interface OpenedSession {
  readonly session: Session;
  readonly isPresent: boolean;
}

interface ServedClient {
  readonly services: ClientServices;
  readonly link: Link;
  readonly peer: Peer;
}

/** Then it is looked at again: the rate may be another one. */
const longestHoldMs = 10_000;

/** A connection whose CONNECT was accepted: what its packets are handled with. */
export class ServedConnection implements Attachment, AckListener {
  readonly session: Session;
  readonly services: ClientServices;
  readonly link: Link;
  readonly peer: Peer;
  readonly protocolVersion: ProtocolVersion;
  readonly receiveMaximum: number;
  readonly connectedSinceMs: number;
  /** Session Present was 1: what the client sends again may be done already. */
  readonly isResumed: boolean;
  /** 0 in CONNECT forbids another value in DISCONNECT. */
  readonly connectExpiryS: number;
  readonly sendsProblemInformation: boolean;
  /** With which CONNECT began; every AUTH names it [MQTT-4.12.0-5]. */
  readonly authenticationMethod: string | undefined;
  allowed: AllowedPublish | undefined;
  isOpen = true;
  /** Another credential is being looked at. */
  isRenewing = false;
  /** PUBLISHes of QoS 1 and 2 that have not had their last acknowledgement: the client may have `receiveMaximum`. */
  #unacknowledged = 0;
  #isHeldBack = false;
  /** What its publishes are drawn from; undefined: they have no rate. */
  meter: PublishMeter | undefined;
  #isOverRate = false;
  readonly #usage: TenantUsage;
  /** The QoS 2 ids among them. */
  #inbound: Set<number> | undefined;
  #publisher: Publisher | undefined;
  #acks: AckQueue | undefined;
  #topicAliases: Map<number, string> | undefined;

  constructor(
    { session, isPresent }: OpenedSession,
    { services, link, peer }: ServedClient,
    packet: ConnectPacket,
  ) {
    this.session = session;
    this.isResumed = isPresent;
    this.services = services;
    this.link = link;
    this.peer = peer;
    this.protocolVersion = packet.protocolVersion;
    this.receiveMaximum =
      packet.protocolVersion === 5
        ? (packet.properties.receiveMaximum ?? 65_535)
        : services.limits.receiveMaximum;
    this.connectedSinceMs = services.clock.nowMs();
    this.connectExpiryS = packet.properties.sessionExpiryInterval ?? 0;
    this.sendsProblemInformation = packet.properties.requestProblemInformation ?? true;
    this.authenticationMethod = packet.properties.authenticationMethod;
    this.#usage = services.spaceOf(session.tenant).usage;
    this.#usage.connected(session.principal);
    this.limitsChanged();
  }

  // Made when they are first needed: who only listens needs none of them.

  get publisher(): Publisher {
    return (this.#publisher ??= this.session.publisher);
  }

  get acks(): AckQueue {
    return (this.#acks ??= new AckQueue(this.link, this));
  }

  get topicAliases(): Map<number, string> {
    return (this.#topicAliases ??= new Map());
  }

  limitsChanged(): void {
    this.meter = this.#usage.meterOf(this.session.principal);
  }

  /** Another principal of the same identity has the session: it may count with others. */
  principalReplaced(before: Principal): void {
    this.#usage.disconnected(before);
    this.#usage.connected(this.session.principal);
    this.limitsChanged();
  }

  /** Ends the connection for what the broker has found or decided: DISCONNECT where the protocol has it, then the close. */
  end(reasonCode: ReasonCode, reasonString?: string): void {
    if (!this.isOpen) return;
    if (this.protocolVersion === 5) {
      const properties = reasonString !== undefined && this.sendsProblemInformation ? { reasonString } : {};
      this.link.send({ type: "disconnect", reasonCode, properties });
    }
    this.close("lost");
  }

  /** Ends the connection without a word. */
  close(how: ConnectionEnd): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.link.close();
    this.#usage.disconnected(this.session.principal);
    this.services.directory.closed(this.session, this, how);
  }

  /** False: the client has more unacknowledged than the broker's Receive Maximum allows [MQTT-3.3.4-7]. */
  beginInbound(qos: 1 | 2, packetId: number): boolean {
    if (this.#unacknowledged >= this.services.limits.receiveMaximum && this.protocolVersion === 5)
      return false;
    this.#unacknowledged += 1;
    if (qos === 2) (this.#inbound ??= new Set()).add(packetId);
    this.#holdBack();
    return true;
  }

  /** A QoS 2 exchange is over. */
  endInbound(packetId: number): void {
    if (this.#inbound?.delete(packetId)) this.#unacknowledged -= 1;
  }

  /** PUBACK is the last acknowledgement at QoS 1; at QoS 2 a refusing PUBREC is [MQTT-4.3.3-9]. */
  acknowledged(type: "puback" | "pubrec", packetId: number, reasonCode: ReasonCode): void {
    if (type === "puback") this.#unacknowledged -= 1;
    else if (reasonCode >= 0x80) this.#refused(packetId);
    if (this.#isHeldBack && this.acks.length * 2 <= this.services.limits.receiveMaximum) {
      this.#isHeldBack = false;
      this.#readOn();
    }
  }

  /** It has published too much: reading stops for so long. */
  holdUp(waitMs: number): void {
    if (this.#isOverRate) return;
    this.#isOverRate = true;
    this.link.pause(true);
    this.services.clock.after(Math.min(waitMs, longestHoldMs), () => {
      this.#isOverRate = false;
      this.#readOn();
    });
  }

  #readOn(): void {
    const isDraining = !this.services.isServing();
    if (!this.#isHeldBack && !this.#isOverRate && !isDraining) this.link.pause(false);
  }

  /** The client is done with the message; had PUBREC not left, it would send it again. */
  #refused(packetId: number): void {
    this.endInbound(packetId);
    this.session.incoming.delete(packetId);
  }

  /** Older clients know no Receive Maximum: while too many wait for the engine, reading stops. */
  #holdBack(): void {
    if (this.#isHeldBack || this.acks.length < this.services.limits.receiveMaximum) return;
    this.#isHeldBack = true;
    this.link.pause(true);
  }
}
