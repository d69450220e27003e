import { connectedClient, type MqttTestClient } from "@weir/testkit";
import type { Credential, RunningBroker } from "../brokers/broker.ts";

/** A user who is connected and subscribed. */
export async function subscribedClient(
  { port }: RunningBroker,
  credential: Credential | undefined,
  filters: readonly string[],
): Promise<MqttTestClient> {
  const client = await connectedClient(port, { version: 4, clientId: nextClientId(), ...credential });
  const { reasonCodes } = await client.subscribe(filters);
  const refused = reasonCodes.find((code) => code >= 0x80);
  if (refused !== undefined) throw new Error(`SUBSCRIBE was refused with 0x${refused.toString(16)}`);
  return client;
}

let count = 0;

function nextClientId(): string {
  count++;
  return `held-${process.pid}-${count}`;
}

/** A client that publishes and nothing else. */
export function publishingClient(
  { port }: RunningBroker,
  credential: Credential | undefined,
): Promise<MqttTestClient> {
  return connectedClient(port, { version: 4, clientId: nextClientId(), ...credential });
}

/** Those of the clients that do not get, as their very next packet, a message of the topic. */
export async function countMissing(
  clients: readonly MqttTestClient[],
  topicOf: (index: number) => string,
): Promise<number> {
  const outcomes = await Promise.all(
    clients.map(async (client, index) => {
      try {
        return (await client.receive("publish")).topic === topicOf(index);
      } catch {
        return false;
      }
    }),
  );
  return outcomes.filter((isRight) => !isRight).length;
}

export async function closeAll(clients: readonly MqttTestClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.cut()));
}
