import type { MessageProperties } from "@weir/protocol";
import { type ByteCursor, textBound } from "./byte-cursor.ts";

const hasFormat = 1;
const formatIsText = 2;
const hasContentType = 4;
const hasResponseTopic = 8;
const hasCorrelationData = 16;
const hasUserProperties = 32;

/** An upper bound of what `writeProperties` takes. */
export function propertiesBound(properties: MessageProperties): number {
  const { contentType, responseTopic, correlationData, userProperties } = properties;
  let bound = 1;
  if (contentType !== undefined) bound += textBound(contentType);
  if (responseTopic !== undefined) bound += textBound(responseTopic);
  if (correlationData !== undefined) bound += 5 + correlationData.byteLength;
  if (userProperties === undefined) return bound;
  bound += 5;
  for (const [name, value] of userProperties) bound += textBound(name) + textBound(value);
  return bound;
}

export function writeProperties(cursor: ByteCursor, properties: MessageProperties): void {
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  let present = 0;
  if (payloadFormatIndicator !== undefined) present |= hasFormat;
  if (payloadFormatIndicator === 1) present |= formatIsText;
  if (contentType !== undefined) present |= hasContentType;
  if (responseTopic !== undefined) present |= hasResponseTopic;
  if (correlationData !== undefined) present |= hasCorrelationData;
  if (userProperties !== undefined) present |= hasUserProperties;
  cursor.writeU8(present);
  if (contentType !== undefined) cursor.writeText(contentType);
  if (responseTopic !== undefined) cursor.writeText(responseTopic);
  if (correlationData !== undefined) cursor.writeSizedBytes(correlationData);
  if (userProperties === undefined) return;
  cursor.writeVarint(userProperties.length);
  for (const [name, value] of userProperties) {
    cursor.writeText(name);
    cursor.writeText(value);
  }
}

export function readProperties(cursor: ByteCursor): MessageProperties {
  const present = cursor.readU8();
  const properties: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {};
  if (present & hasFormat) properties.payloadFormatIndicator = present & formatIsText ? 1 : 0;
  if (present & hasContentType) properties.contentType = cursor.readText();
  if (present & hasResponseTopic) properties.responseTopic = cursor.readText();
  if (present & hasCorrelationData)
    properties.correlationData = cursor.readBytes(cursor.readVarint()).slice();
  if (present & hasUserProperties) {
    const count = cursor.readVarint();
    properties.userProperties = Array.from(
      { length: count },
      () => [cursor.readText(), cursor.readText()] as const,
    );
  }
  return properties;
}
