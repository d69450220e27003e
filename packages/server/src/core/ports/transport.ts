import type { AckPacket, ProtocolVersion, Qos, ReasonCode, ServerPacket } from "@weir/protocol";
import type { Message } from "./message.ts";

export type TransportKind = "tcp" | "tls" | "ws" | "wss";

/** What is known of the other end before it has said a word of MQTT. */
export interface Peer {
  readonly transport: TransportKind;
  /** The client's address; behind a trusted proxy the one that the proxy names. */
  readonly address: string;
  readonly port: number;
  /** WebSocket only: what of the upgrade request matters for access. */
  readonly upgrade?: {
    readonly authorization?: string;
    readonly origin?: string;
    readonly host?: string;
    /** Of its query: a one-time ticket (semantics.md §1.14). Never logged. */
    readonly ticket?: string;
  };
  /** TLS with a verified client certificate: its subject's common name. */
  readonly certificateName?: string;
}

/** What CONNECT has settled and the link has to honour from then on. */
export interface LinkSettings {
  readonly protocolVersion: ProtocolVersion;
  /** Silence that is allowed: 1.5 times the keep alive in force, 0 for any [MQTT-3.1.2-22]. */
  readonly maxSilenceMs: number;
  /** The client's Maximum Packet Size in bytes, Infinity without one [MQTT-3.1.2-24]. */
  readonly maxOutgoingPacketBytes: number;
  /** How many topic aliases the client takes, 0 for none [MQTT-3.1.2-26, -27]. */
  readonly outgoingTopicAliasMaximum: number;
}

export interface OutgoingPublish {
  readonly qos: Qos;
  /** 0 at QoS 0. */
  readonly packetId: number;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[] | undefined;
  /** Seconds, or undefined for none: already less the time that the message waited [MQTT-3.3.2-6]. */
  readonly messageExpiryInterval: number | undefined;
}

/**
 * The broker's end of one network connection: packets in, bytes out. Calls never throw and never block; after `close`
 * (or when the network is gone) they do nothing. Bytes leave in the order of the calls, gathered into one write a turn
 * of the event loop.
 */
export interface Link {
  /** Bytes that the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** True while `bufferedBytes` is below the connection's bound; when it becomes true again, `Client.drained` is called. */
  readonly hasRoom: boolean;
  /** Called once, before the accepting CONNACK. */
  configure(settings: LinkSettings): void;
  /**
   * Sends a message. False: it is larger than the client's Maximum Packet Size and was not sent [MQTT-3.1.2-25].
   * QoS 0 where `hasRoom` is false is the caller's mistake.
   */
  publish(message: Message, how: OutgoingPublish): boolean;
  /** The short form of `send` for the four acknowledgements without properties. */
  ack(type: AckPacket["type"], packetId: number, reasonCode: ReasonCode): void;
  /**
   * Sends any other packet. Where it would grow beyond the client's maximum, reason string and then user properties are
   * left out [MQTT-3.2.2-19, -20 and their kind].
   */
  send(packet: ServerPacket): void;
  /** Stops (true) or resumes taking packets from the peer: back-pressure. */
  pause(paused: boolean): void;
  /** Flushes what is buffered (bounded in time) and closes; nothing is sent or received afterwards. */
  close(): void;
}
