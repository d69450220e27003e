import type { MessageProperties } from "@weir/protocol";

/** What a user property costs beside its texts, more or less. */
const pairOverheadBytes = 64;

/** What a message counts for in a queue: its payload and its properties. */
export function messageBytes(message: {
  readonly payload: Uint8Array;
  readonly properties: MessageProperties | undefined;
}): number {
  const { payload, properties } = message;
  return properties === undefined ? payload.length : payload.length + propertiesBytes(properties);
}

/** Of all of a message's properties. */
export function propertiesBytes(properties: MessageProperties): number {
  const { contentType = "", responseTopic = "", correlationData, userProperties = [] } = properties;
  let bytes = contentType.length + responseTopic.length + (correlationData?.buffer.byteLength ?? 0);
  for (const [name, value] of userProperties) bytes += pairOverheadBytes + name.length + value.length;
  return bytes;
}
