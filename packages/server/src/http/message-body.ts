import type { MessagePublish } from "@weir/api";
import type { MessageCommand } from "../admin/message-admin.ts";
import { RequestError } from "./problem-reply.ts";

/** Base64 with or without padding, of the standard's or the URL's alphabet (RFC 4648). */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * The message that the body of `POST /messages` describes.
 *
 * @throws {RequestError} `invalid`
 */
export function parseMessageBody(body: MessagePublish): MessageCommand {
  const { topic, qos = 0, retain = false, expiry } = body;
  return {
    topic,
    payload: payloadOf(body),
    qos: qos as 0 | 1 | 2,
    retain,
    expiryS: expiry,
    properties: propertiesOf(body),
  };
}

function payloadOf({ payload, payloadBase64 }: MessagePublish): Uint8Array {
  if ((payload === undefined) === (payloadBase64 === undefined)) {
    throw new RequestError(
      "invalid",
      'give one of payload and payloadBase64; an empty payload is "payload": ""',
    );
  }
  if (payloadBase64 !== undefined) return fromBase64("payloadBase64", payloadBase64);
  return Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
}

function propertiesOf(body: MessagePublish): MessageCommand["properties"] {
  const { contentType, responseTopic, userProperties } = body;
  const correlationData = correlationDataOf(body);
  return {
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
    ...(userProperties !== undefined && { userProperties: pairsOf(userProperties) }),
  };
}

function correlationDataOf({
  correlationData,
  correlationDataBase64,
}: MessagePublish): Uint8Array | undefined {
  if (correlationDataBase64 === undefined)
    return correlationData === undefined ? undefined : Buffer.from(correlationData);
  if (correlationData !== undefined) {
    throw new RequestError("invalid", "give one of correlationData and correlationDataBase64");
  }
  return fromBase64("correlationDataBase64", correlationDataBase64);
}

function pairsOf(
  userProperties: NonNullable<MessagePublish["userProperties"]>,
): readonly (readonly [string, string])[] {
  return Array.isArray(userProperties) ? userProperties : Object.entries(userProperties);
}

function fromBase64(member: string, text: string): Uint8Array {
  if (!BASE64.test(text)) throw new RequestError("invalid", `${member}: is not base64`);
  return Buffer.from(text, "base64");
}
