import type { Message } from "../ports/message.ts";

const name = "position";

/**
 * The message with its position as its last user property; one that its publisher has given it is taken out (a deviation
 * from [MQTT-3.3.2-17], for subscriptions that asked for positions).
 */
export function withPosition(message: Message, position: string): Message {
  const own = (message.properties?.userProperties ?? []).filter(([key]) => key !== name);
  const properties = { ...message.properties, userProperties: [...own, [name, position] as const] };
  return { ...message, properties, frames: undefined };
}
