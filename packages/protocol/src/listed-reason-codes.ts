import { violation } from "./protocol-error.ts";
import { ReasonCode } from "./reason-code.ts";
import type { Reader } from "./reader.ts";

/** The reason codes that a packet may carry (MQTT 5.0 §2.4). */
export type ListedCodes = ReadonlyMap<number, ReasonCode>;

const {
  success,
  unspecifiedError,
  malformedPacket,
  protocolError,
  implementationSpecificError,
  notAuthorized,
  serverBusy,
  topicFilterInvalid,
  topicNameInvalid,
  packetIdentifierInUse,
  packetTooLarge,
  quotaExceeded,
  payloadFormatInvalid,
  retainNotSupported,
  qosNotSupported,
  useAnotherServer,
  serverMoved,
  connectionRateExceeded,
} = ReasonCode;

function list(...codes: readonly ReasonCode[]): ListedCodes {
  return new Map(codes.map((code) => [code, code]));
}

// [MQTT-3.2.2-8]
export const connackCodes: ListedCodes = list(
  success,
  unspecifiedError,
  malformedPacket,
  protocolError,
  implementationSpecificError,
  ReasonCode.unsupportedProtocolVersion,
  ReasonCode.clientIdentifierNotValid,
  ReasonCode.badUserNameOrPassword,
  notAuthorized,
  ReasonCode.serverUnavailable,
  serverBusy,
  ReasonCode.banned,
  ReasonCode.badAuthenticationMethod,
  topicNameInvalid,
  packetTooLarge,
  quotaExceeded,
  payloadFormatInvalid,
  retainNotSupported,
  qosNotSupported,
  useAnotherServer,
  serverMoved,
  connectionRateExceeded,
);

/** PUBACK and PUBREC [MQTT-3.4.2-1], [MQTT-3.5.2-1]. */
export const receiptCodes: ListedCodes = list(
  success,
  ReasonCode.noMatchingSubscribers,
  unspecifiedError,
  implementationSpecificError,
  notAuthorized,
  topicNameInvalid,
  packetIdentifierInUse,
  quotaExceeded,
  payloadFormatInvalid,
);

/** PUBREL and PUBCOMP [MQTT-3.6.2-1], [MQTT-3.7.2-1]. */
export const releaseCodes: ListedCodes = list(success, ReasonCode.packetIdentifierNotFound);

// [MQTT-3.9.3-2]
export const subackCodes: ListedCodes = list(
  success,
  ReasonCode.grantedQos1,
  ReasonCode.grantedQos2,
  unspecifiedError,
  implementationSpecificError,
  notAuthorized,
  topicFilterInvalid,
  packetIdentifierInUse,
  quotaExceeded,
  ReasonCode.sharedSubscriptionsNotSupported,
  ReasonCode.subscriptionIdentifiersNotSupported,
  ReasonCode.wildcardSubscriptionsNotSupported,
);

// [MQTT-3.11.3-2]
export const unsubackCodes: ListedCodes = list(
  success,
  ReasonCode.noSubscriptionExisted,
  unspecifiedError,
  implementationSpecificError,
  notAuthorized,
  topicFilterInvalid,
  packetIdentifierInUse,
);

const disconnectFromEither: readonly ReasonCode[] = [
  success,
  unspecifiedError,
  malformedPacket,
  protocolError,
  implementationSpecificError,
  topicNameInvalid,
  ReasonCode.receiveMaximumExceeded,
  ReasonCode.topicAliasInvalid,
  packetTooLarge,
  ReasonCode.messageRateTooHigh,
  quotaExceeded,
  ReasonCode.administrativeAction,
  payloadFormatInvalid,
];

// [MQTT-3.14.2-1]
export const disconnectCodes: { readonly client: ListedCodes; readonly server: ListedCodes } = {
  client: list(...disconnectFromEither, ReasonCode.disconnectWithWill),
  server: list(
    ...disconnectFromEither,
    notAuthorized,
    serverBusy,
    ReasonCode.serverShuttingDown,
    ReasonCode.keepAliveTimeout,
    ReasonCode.sessionTakenOver,
    topicFilterInvalid,
    retainNotSupported,
    qosNotSupported,
    useAnotherServer,
    serverMoved,
    ReasonCode.sharedSubscriptionsNotSupported,
    connectionRateExceeded,
    ReasonCode.maximumConnectTime,
    ReasonCode.subscriptionIdentifiersNotSupported,
    ReasonCode.wildcardSubscriptionsNotSupported,
  ),
};

// [MQTT-3.15.2-1]
export const authCodes: { readonly client: ListedCodes; readonly server: ListedCodes } = {
  client: list(ReasonCode.continueAuthentication, ReasonCode.reAuthenticate),
  server: list(success, ReasonCode.continueAuthentication),
};

/** Reads a reason code that the packet's list must hold. */
export function readReasonCode(reader: Reader, listed: ListedCodes): ReasonCode {
  const byte = reader.u8();
  const code = listed.get(byte);
  if (code === undefined) throw violation(`the packet must not have the reason code 0x${byte.toString(16)}`);
  return code;
}
