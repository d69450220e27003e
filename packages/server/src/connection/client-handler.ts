import type { ClientPacket, ProtocolError } from "@weir/protocol";
import type { Link, Peer } from "../core/ports/transport.ts";

/** What a connection needs of the core's state machine for one client. */
export interface ClientHandler {
  /** Hands over the next packet, in order. After a promise none follows until it has settled; it never rejects. */
  handle(packet: ClientPacket): Promise<void> | undefined;
  /** The decoder refused what came; nothing follows. */
  refuse(error: ProtocolError): void;
  /** Nothing came for as long as `LinkSettings.maxSilenceMs`. */
  silent(): void;
  /** The network is gone, or was closed. Exactly once. */
  closed(): void;
  /** `Link.hasRoom` became true again. */
  drained(): void;
  /** True after the accepting CONNACK. */
  readonly isConnected: boolean;
}

/** The core's door for new connections. */
export interface ConnectionCore {
  connect(link: Link, peer: Peer): ClientHandler;
}
