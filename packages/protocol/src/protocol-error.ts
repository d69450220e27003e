import type { ReasonCode } from "./reason-code.ts";

/**
 * The bytes cannot be accepted: the connection that sent them ends.
 * `reasonCode` is what an MQTT 5 peer is told; `message` is for the log and quotes no payload and no credential.
 */
export class ProtocolError extends Error {
  readonly reasonCode: ReasonCode;

  constructor(reasonCode: ReasonCode, message: string) {
    super(message);
    this.name = "ProtocolError";
    this.reasonCode = reasonCode;
  }
}
