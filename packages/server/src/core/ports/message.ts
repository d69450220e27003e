import type { MessageProperties, Qos } from "@weir/protocol";

/** A topic name with its levels, split once and kept. */
export interface TopicName {
  readonly name: string;
  readonly levels: readonly string[];
  /** The name in UTF-8: kept here by whoever encodes it first, since most topics are sent many times. */
  utf8?: Uint8Array;
}

/** Who published: what no-local, verified publishers and recovery need to know. */
export interface Publisher {
  /** The key of the publishing session (see `sessionKey`), or "" for the broker itself and for REST. */
  readonly sessionKey: string;
  readonly realm: string;
  readonly subject: string;
  readonly clientId: string;
}

/** One application message on its way through the broker. Never changed after it was routed, but for `frames`. */
export interface Message {
  readonly topic: TopicName;
  /** May be a view of a larger buffer: whoever keeps the message beyond its delivery copies it (`Log.append` does). */
  readonly payload: Uint8Array;
  /** As published. */
  readonly qos: Qos;
  /** As published. */
  readonly retain: boolean;
  readonly properties: MessageProperties | undefined;
  /** On the broker's clock (`Clock.nowMs`); Infinity: never. */
  readonly expiresAtMs: number;
  readonly publisher: Publisher;
  /** Where a `Link` keeps the bytes it has encoded once for many receivers. Nobody else looks inside. */
  frames: unknown;
}
