import { isTopicName, type MessageProperties, type Qos, ReasonCode } from "@weir/protocol";
import type { Caller } from "../core/access/access-token.ts";
import type { PublishOutcome, PublishRequest } from "../core/session/broker-core.ts";
import { AdminError, type AdminErrorCode, settleInEngine } from "./admin-error.ts";
import { requireScope } from "./scope.ts";

/** A message to publish. */
export interface MessageCommand {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Seconds. */
  readonly expiryS?: number | undefined;
  readonly properties: MessageProperties;
}

/** What is needed of the core. */
export interface PublishPort {
  publish(request: PublishRequest): Promise<PublishOutcome>;
}

export interface MessageLimits {
  readonly maxPacketBytes: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
}

/** Where nothing may be published at all, the limit may be another one by then. */
const MAX_RETRY_AFTER_S = 60;

/** Publishing without a connection; needs the scope `messages`, and the token's ACL bounds it. */
export class MessageAdmin {
  readonly #core: PublishPort;
  readonly #limits: MessageLimits;

  constructor(core: PublishPort, limits: MessageLimits) {
    this.#core = core;
    this.#limits = limits;
  }

  /** The most bytes that a payload may have. */
  get maxPayloadBytes(): number {
    return this.#limits.maxPacketBytes;
  }

  /**
   * Resolves when the engine has made its promise.
   *
   * @throws {AdminError}
   */
  async publish(caller: Caller, command: MessageCommand): Promise<void> {
    requireScope(caller, "messages");
    const { topic, payload, qos, retain, expiryS, properties } = command;
    this.#requireTopic("topic", topic);
    if (properties.responseTopic !== undefined) this.#requireTopic("responseTopic", properties.responseTopic);
    if (payload.length > this.#limits.maxPacketBytes) {
      throw new AdminError("too-large", `a payload may have at most ${this.#limits.maxPacketBytes} bytes`);
    }
    const { principal } = caller;
    const request = { tenant: principal.tenant, principal, topic, payload, qos, retain, properties };
    const outcome = await settleInEngine(
      this.#core.publish(expiryS === undefined ? request : { ...request, expiryS }),
    );
    if (outcome.kind === "refused" && outcome.waitMs !== undefined)
      throw new AdminError(
        "rate",
        `${outcome.reason} for this credential or its tenant`,
        Math.min(outcome.waitMs / 1_000, MAX_RETRY_AFTER_S),
      );
    if (outcome.kind === "refused") throw new AdminError(errorCodeOf(outcome.reasonCode), outcome.reason);
  }

  #requireTopic(member: string, topic: string): void {
    const { maxTopicBytes, maxTopicLevels } = this.#limits;
    if (isTopicName(topic, { maxBytes: maxTopicBytes, maxLevels: maxTopicLevels })) return;
    throw new AdminError(
      "invalid",
      `${member}: must be a topic of 1 to ${maxTopicBytes} bytes and at most ${maxTopicLevels} levels without + and #`,
    );
  }
}

function errorCodeOf(reasonCode: ReasonCode): AdminErrorCode {
  switch (reasonCode) {
    case ReasonCode.notAuthorized:
      return "acl";
    case ReasonCode.topicNameInvalid:
    case ReasonCode.payloadFormatInvalid:
      return "invalid";
    case ReasonCode.packetTooLarge:
      return "too-large";
    default:
      return "unavailable";
  }
}
