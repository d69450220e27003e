import { ReasonCode } from "./reason-code.ts";
import type { ProtocolVersion } from "./packet.ts";

/**
 * The bytes cannot be accepted: the connection that sent them ends.
 * `reasonCode` is what an MQTT 5 peer is told; `message` is for the log and quotes no payload and no credential.
 */
export class ProtocolError extends Error {
  readonly reasonCode: ReasonCode;
  /**
   * True where the peer should be cut off without a word: it has not shown that it speaks MQTT (no CONNECT, or one whose
   * header is broken), its CONNECT is malformed and of a version before 5, which has no return code for that, or its
   * credentials are malformed and an answer would only help a probe.
   */
  readonly isSilent: boolean;

  constructor(reasonCode: ReasonCode, message: string, isSilent = false, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProtocolError";
    this.reasonCode = reasonCode;
    this.isSilent = isSilent;
  }
}

/** A CONNECT of a protocol that this codec does not speak [MQTT-3.1.2-1], [MQTT-3.1.2-2]. */
export class UnsupportedVersionError extends ProtocolError {
  /** The protocol level that the CONNECT named. */
  readonly level: number;
  /**
   * The dialect in which the refusing CONNACK is understood: 5 says 0x84, 3 and 4 say return code 1.
   * Undefined: the protocol name is not one of MQTT, so close without an answer.
   */
  readonly answerVersion: ProtocolVersion | undefined;

  constructor(level: number, answerVersion: ProtocolVersion | undefined, message: string) {
    super(ReasonCode.unsupportedProtocolVersion, message, answerVersion === undefined);
    this.name = "UnsupportedVersionError";
    this.level = level;
    this.answerVersion = answerVersion;
  }
}

/** What one packet may have at most; each is a decoder's option of that name. */
export type PacketBound = "maxPacketBytes" | "maxConnectBytes" | "maxUserProperties" | "maxTopicFilters";

/** The packet is sound, and larger than this receiver takes: 0x95 for its bytes, 0x97 for what it lists. */
export class PacketBoundError extends ProtocolError {
  readonly bound: PacketBound;

  constructor(bound: PacketBound, message: string) {
    const isSize = bound === "maxPacketBytes" || bound === "maxConnectBytes";
    super(isSize ? ReasonCode.packetTooLarge : ReasonCode.quotaExceeded, message);
    this.name = "PacketBoundError";
    this.bound = bound;
  }
}

/** The same refusal, of which the peer is told nothing. Other errors, and what says itself how to answer, stay as they are. */
export function silenced(error: unknown): unknown {
  if (!(error instanceof ProtocolError) || error instanceof UnsupportedVersionError) return error;
  if (error.isSilent) return error;
  return new ProtocolError(error.reasonCode, error.message, true, { cause: error });
}

/** 0x81: the bytes do not parse as the packet that they claim to be. */
export function malformed(message: string): ProtocolError {
  return new ProtocolError(ReasonCode.malformedPacket, message);
}

/** 0x82: the bytes parse, and the standard forbids what they say. */
export function violation(message: string): ProtocolError {
  return new ProtocolError(ReasonCode.protocolError, message);
}
