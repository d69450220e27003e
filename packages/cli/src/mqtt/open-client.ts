import { connect, type MqttClient, type Packet } from "mqtt";
import { CommandFailure } from "../command-failure.ts";
import { connectRefusalText } from "./reason-text.ts";
import type { Target } from "./client-options.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** A client that begins to connect; whoever wants its first messages listens before `whenConnected` settles. */
export function createClient(target: Target, tell?: (line: string) => void): MqttClient {
  const client = connect(target.url, { ...target.options, connectTimeout: CONNECT_TIMEOUT_MS });
  if (tell) traceTo(client, target.options.clientId ?? "", tell);
  return client;
}

/**
 * Waits for the accepting CONNACK. A broker that is not there or says no ends the command.
 *
 * @throws {CommandFailure} in mosquitto's words
 */
export function whenConnected(client: MqttClient, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      client.end(true);
      reject(new CommandFailure(connectErrorText(error, url)));
    };
    const onClose = (): void => fail(new Error("the connection was closed before the broker answered"));
    client.once("error", fail);
    client.once("close", onClose);
    client.once("connect", () => {
      client.removeListener("error", fail);
      client.removeListener("close", onClose);
      resolve();
    });
  });
}

/** Why a connection did not come about. */
export function connectErrorText(error: Error, url: string): string {
  const { code } = error as { code?: unknown };
  if (typeof code === "number") return `Connection error: ${connectRefusalText(code)}`;
  if (code === "ECONNREFUSED")
    return `Connection refused: nothing listens at ${url}. Is the broker running (weir serve)?`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Unable to connect: the host of ${url} is not known.`;
  return `Unable to connect to ${url}: ${error.message || String(code)}`;
}

/** The lines of `-d`, as mosquitto's clients write them. Never a credential. */
function traceTo(client: MqttClient, id: string, tell: (line: string) => void): void {
  client.on("packetsend", (packet) => tell(`Client ${id} sending ${describe(packet)}`));
  client.on("packetreceive", (packet) => tell(`Client ${id} received ${describe(packet)}`));
}

function describe(packet: Packet): string {
  const name = packet.cmd.toUpperCase();
  if (packet.cmd === "connack") return `${name} (${packet.reasonCode ?? packet.returnCode ?? 0})`;
  if (packet.cmd === "disconnect") return `${name} (${packet.reasonCode ?? 0})`;
  if (packet.cmd === "publish") {
    const flags = `d${Number(packet.dup)}, q${packet.qos}, r${Number(packet.retain)}, m${packet.messageId ?? 0}`;
    return `${name} (${flags}, '${packet.topic}', ... (${packet.payload.length} bytes))`;
  }
  if (packet.cmd === "subscribe") {
    return packet.subscriptions
      .map(({ topic, qos }) => `${name} (Mid: ${packet.messageId}, Topic: ${topic}, QoS: ${qos})`)
      .join("\n");
  }
  return packet.messageId === undefined ? name : `${name} (Mid: ${packet.messageId})`;
}
