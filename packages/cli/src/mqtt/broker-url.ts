import { WrongUse } from "../command-failure.ts";

export interface BrokerUrl {
  /** As MQTT.js takes it, without credentials and topic. */
  readonly url: string;
  readonly topic: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const SCHEMES: Readonly<Record<string, { readonly scheme: string; readonly port: number }>> = {
  "mqtt:": { scheme: "mqtt", port: 1883 },
  "mqtts:": { scheme: "mqtts", port: 8883 },
  "ws:": { scheme: "ws", port: 80 },
  "wss:": { scheme: "wss", port: 443 },
  // WEIR_URL names the HTTP port for REST; MQTT over WebSocket is at /mqtt of the same.
  "http:": { scheme: "ws", port: 80 },
  "https:": { scheme: "wss", port: 443 },
};

/**
 * Where a broker is. `mqtt(s)` URLs end in a topic, as mosquitto's do; `ws(s)` and `http(s)` ones in the path of the
 * WebSocket, `/mqtt` when there is none.
 *
 * @param from where it was given, for messages
 * @throws {WrongUse} naming the URL
 * @example parseBrokerUrl("mqtt://alice:secret@broker.example/data/#", "-L").topic // "data/#"
 */
export function parseBrokerUrl(text: string, from: string): BrokerUrl {
  const [beforeFragment = "", ...fragment] = text.split("#");
  const url = URL.parse(beforeFragment);
  const known = url && SCHEMES[url.protocol];
  if (!url || !known || url.hostname === "") {
    throw new WrongUse(
      `${from} ${withoutPassword(text)} is not the URL of a broker, such as mqtt://127.0.0.1:1883 or ws://127.0.0.1:8080/mqtt.`,
    );
  }
  const place = `${known.scheme}://${url.hostname}:${url.port || known.port}`;
  const credentials = { username: decoded(url.username), password: decoded(url.password) };
  if (known.scheme.startsWith("ws")) {
    return {
      url: `${place}${url.pathname === "/" ? "/mqtt" : url.pathname}`,
      topic: undefined,
      ...credentials,
    };
  }
  // A "#" that ends a topic filter looks like a fragment to a URL.
  const topic =
    decodeURIComponent(url.pathname.slice(1)) + (fragment.length > 0 ? `#${fragment.join("#")}` : "");
  return { url: place, topic: topic === "" ? undefined : topic, ...credentials };
}

function decoded(part: string): string | undefined {
  return part === "" ? undefined : decodeURIComponent(part);
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//…@");
}
