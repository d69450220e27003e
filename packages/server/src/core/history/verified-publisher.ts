import type { UserProperties } from "@weir/protocol";
import type { Message } from "../ports/message.ts";

const names: readonly string[] = ["publisher", "publisher-realm", "publisher-client"];

/**
 * The message with the names of who published it as user properties, last; what the client itself said under these
 * names is taken out (a deviation from [MQTT-3.3.2-17], for those who asked for it).
 */
export function withVerifiedPublisher(message: Message): Message {
  const { realm, subject, clientId } = message.publisher;
  const own = (message.properties?.userProperties ?? []).filter(([name]) => !names.includes(name));
  const said: [string, string][] = [
    ["publisher", subject],
    ["publisher-realm", realm],
    ["publisher-client", clientId],
  ];
  const userProperties: UserProperties = [...own, ...said.filter(([, value]) => value !== "")];
  return { ...message, properties: { ...message.properties, userProperties }, frames: undefined };
}
