import type { ReasonCode } from "./reason-code.ts";

/** 3 is MQTT 3.1 (`MQIsdp`), 4 is 3.1.1, 5 is 5.0: the protocol level byte of CONNECT. */
export type ProtocolVersion = 3 | 4 | 5;

export type Qos = 0 | 1 | 2;

/** 0: send retained messages at subscribe; 1: only if the subscription is new; 2: never [MQTT-3.3.1-9 to -11]. */
export type RetainHandling = 0 | 1 | 2;

/** Name and value, in the order in which they stand on the wire; names may repeat. */
export type UserProperties = readonly (readonly [name: string, value: string])[];

/** The properties of a PUBLISH or a will that travel with the message to its receivers [MQTT-3.3.2-4, -15 to -20]. */
export interface MessageProperties {
  readonly payloadFormatIndicator?: 0 | 1;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly userProperties?: UserProperties;
}

export interface PublishProperties extends MessageProperties {
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  /** 1 to 65,535; 0 never passes the decoder [MQTT-3.3.2-8]. */
  readonly topicAlias?: number;
  /** 1 to 268,435,455 each. Only from server to client; a client that sends one gets 0x82 [MQTT-3.3.4-6]. */
  readonly subscriptionIdentifiers?: readonly number[];
}

export interface WillProperties extends MessageProperties {
  /** Seconds. */
  readonly willDelayInterval?: number;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
}

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: WillProperties;
}

export interface ConnectProperties {
  /** Seconds; 0xFFFFFFFF never expires. */
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  /** Bytes. */
  readonly maximumPacketSize?: number;
  readonly topicAliasMaximum?: number;
  readonly requestResponseInformation?: boolean;
  readonly requestProblemInformation?: boolean;
  readonly userProperties?: UserProperties;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Uint8Array;
}

export interface ConnectPacket {
  readonly type: "connect";
  readonly protocolVersion: ProtocolVersion;
  /** Clean Start of 5.0, Clean Session of 3.x. */
  readonly cleanStart: boolean;
  /** Seconds; 0 switches keep alive off. */
  readonly keepAlive: number;
  /** May be empty. */
  readonly clientId: string;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly properties: ConnectProperties;
}

export interface ConnackProperties {
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  readonly maximumQos?: 0 | 1;
  readonly retainAvailable?: boolean;
  readonly maximumPacketSize?: number;
  readonly assignedClientIdentifier?: string;
  readonly topicAliasMaximum?: number;
  readonly reasonString?: string;
  readonly userProperties?: UserProperties;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
  readonly serverKeepAlive?: number;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Uint8Array;
}

export interface ConnackPacket {
  readonly type: "connack";
  readonly sessionPresent: boolean;
  /** A 5.0 reason code, or (encoded for version 3 and 4) a 3.1.1 return code 0-5. */
  readonly reasonCode: number;
  readonly properties?: ConnackProperties;
}

export interface PublishPacket {
  readonly type: "publish";
  /** Empty only together with a topic alias. */
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0, else 1 to 65,535. */
  readonly packetId: number;
  /** Absent where the packet has none (and always for version 3 and 4). */
  readonly properties?: PublishProperties;
}

export interface ReasonProperties {
  readonly reasonString?: string;
  readonly userProperties?: UserProperties;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP: one shape, four types. */
export interface AckPacket {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly packetId: number;
  /** 0 where the packet leaves it out. */
  readonly reasonCode: ReasonCode;
  readonly properties?: ReasonProperties;
}

export interface SubscriptionOptions {
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
}

export interface SubscriptionRequest extends SubscriptionOptions {
  readonly topicFilter: string;
}

export interface SubscribePacket {
  readonly type: "subscribe";
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties?: {
    readonly subscriptionIdentifier?: number;
    readonly userProperties?: UserProperties;
  };
}

export interface SubackPacket {
  readonly type: "suback";
  readonly packetId: number;
  readonly reasonCodes: readonly number[];
  readonly properties?: ReasonProperties;
}

export interface UnsubscribePacket {
  readonly type: "unsubscribe";
  readonly packetId: number;
  readonly topicFilters: readonly string[];
  readonly properties?: { readonly userProperties?: UserProperties };
}

export interface UnsubackPacket {
  readonly type: "unsuback";
  readonly packetId: number;
  /** Not sent to version 3 and 4. */
  readonly reasonCodes: readonly number[];
  readonly properties?: ReasonProperties;
}

export interface PingreqPacket {
  readonly type: "pingreq";
}

export interface PingrespPacket {
  readonly type: "pingresp";
}

export interface DisconnectPacket {
  readonly type: "disconnect";
  /** 0 where the packet leaves it out, and always from version 3 and 4. */
  readonly reasonCode: ReasonCode;
  readonly properties?: ReasonProperties & {
    readonly sessionExpiryInterval?: number;
    readonly serverReference?: string;
  };
}

export interface AuthPacket {
  readonly type: "auth";
  readonly reasonCode: ReasonCode;
  readonly properties?: ReasonProperties & {
    readonly authenticationMethod?: string;
    readonly authenticationData?: Uint8Array;
  };
}

/** What a client may send. */
export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | UnsubscribePacket
  | PingreqPacket
  | DisconnectPacket
  | AuthPacket;

/** What a server may send. */
export type ServerPacket =
  | ConnackPacket
  | PublishPacket
  | AckPacket
  | SubackPacket
  | UnsubackPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket;

export type Packet = ClientPacket | ServerPacket;
