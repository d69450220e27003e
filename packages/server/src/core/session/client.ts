import type { ClientPacket, ProtocolError, SubscribePacket } from "@weir/protocol";
import { ReasonCode, UnsupportedVersionError } from "@weir/protocol";
import type { Link, Peer } from "../ports/transport.ts";
import type { ClientServices } from "./client-services.ts";
import { handlePubcomp, handlePuback, handlePubrec, handlePubrel } from "./handlers/acks.ts";
import { handleAuth } from "./handlers/auth.ts";
import { handleConnect } from "./handlers/connect.ts";
import { handleDisconnect } from "./handlers/disconnect.ts";
import { handlePublish } from "./handlers/publish.ts";
import { handleSubscribe } from "./handlers/subscribe.ts";
import { handleUnsubscribe } from "./handlers/unsubscribe.ts";
import type { ServedConnection } from "./served-connection.ts";

/** Connected: the connection itself. */
type ClientState = "fresh" | "connecting" | ServedConnection | "closed";

/** The protocol state machine of one network connection: packets in, and what follows from them on its link. */
export class Client {
  readonly link: Link;
  readonly peer: Peer;
  readonly services: ClientServices;
  #state: ClientState = "fresh";

  readonly #onGone: (client: Client) => void;

  constructor(link: Link, peer: Peer, services: ClientServices, onGone: (client: Client) => void) {
    this.link = link;
    this.peer = peer;
    this.services = services;
    this.#onGone = onGone;
  }

  /** Its CONNECT was accepted, and it is still there. */
  get isConnected(): boolean {
    return typeof this.#state === "object" && this.#state.isOpen;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** The next packet, in order. A promise (it never rejects): hand over no further packet until it has settled. */
  handle(packet: ClientPacket): Promise<void> | undefined {
    const state = this.#state;
    if (typeof state === "object") {
      return state.isOpen ? dispatch(state, packet) : undefined;
    }
    if (state !== "fresh") return undefined;
    if (packet.type !== "connect") {
      this.close(); // [MQTT-3.1.0-1]
      return undefined;
    }
    this.#state = "connecting";
    return handleConnect(this, packet);
  }

  /** The peer's bytes are no MQTT, or break its rules: told with the code where the protocol has a way to, then closed. */
  refuse(error: ProtocolError): void {
    const state = this.#state;
    this.services.logger.debug(
      { address: this.peer.address, code: error.reasonCode },
      `refused: ${error.message}`,
    );
    if (typeof state === "object") {
      state.end(error.reasonCode, error.message);
      return;
    }
    if (state === "fresh") this.#refuseConnect(error);
    this.close();
  }

  /** Nothing came for longer than the keep alive allows [MQTT-3.1.2-22]. */
  silent(): void {
    if (typeof this.#state === "object") this.#state.end(ReasonCode.keepAliveTimeout);
    else this.close();
  }

  /** The network connection is gone; called once, whoever closed it. */
  closed(): void {
    const state = this.#state;
    this.#state = "closed";
    if (typeof state === "object") state.close("lost");
    this.#onGone(this);
  }

  drained(): void {
    if (typeof this.#state === "object") this.#state.session.pump();
  }

  serve(connection: ServedConnection): void {
    this.#state = connection;
  }

  close(): void {
    this.#state = "closed";
    this.link.close();
  }

  #refuseConnect(error: ProtocolError): void {
    if (error.isSilent) return;
    if (error instanceof UnsupportedVersionError && error.answerVersion === undefined) return;
    this.link.send({ type: "connack", sessionPresent: false, reasonCode: error.reasonCode });
  }
}

function dispatch(connection: ServedConnection, packet: ClientPacket): Promise<void> | undefined {
  if (packet.type === "subscribe") return subscribe(connection, packet);
  handle(connection, packet);
  return undefined;
}

/** What a new subscription replaces is looked for in outboxes: they have to stand. */
function subscribe(connection: ServedConnection, packet: SubscribePacket): Promise<void> | undefined {
  const { router, isLogged } = connection.session;
  if (isLogged && !router.isRecovered)
    return router.recovered.then(() => {
      if (connection.isOpen) handleSubscribe(connection, packet);
    });
  handleSubscribe(connection, packet);
  return undefined;
}

function handle(connection: ServedConnection, packet: Exclude<ClientPacket, SubscribePacket>): void {
  switch (packet.type) {
    case "publish":
      return handlePublish(connection, packet);
    case "puback":
      return handlePuback(connection, packet);
    case "pubrec":
      return handlePubrec(connection, packet);
    case "pubrel":
      return handlePubrel(connection, packet);
    case "pubcomp":
      return handlePubcomp(connection, packet);
    case "unsubscribe":
      return handleUnsubscribe(connection, packet);
    case "pingreq":
      return connection.link.send({ type: "pingresp" });
    case "disconnect":
      return handleDisconnect(connection, packet);
    case "connect":
      return connection.end(ReasonCode.protocolError, "a second CONNECT"); // [MQTT-3.1.0-2]
    case "auth":
      return handleAuth(connection, packet);
  }
}
