import { randomBytes } from "node:crypto";
import { createWeirClient } from "@weir/api";
import { createBroker, loadConfig, type Broker, type BrokerAddresses } from "@weir/server";
import { placeText, urlText } from "../listen-text.ts";
import { BusPublisher } from "./bus-publisher.ts";
import { readRecording } from "./bus-positions.ts";
import { toReports } from "./bus-reports.ts";
import { loadDemoPages } from "./demo-pages.ts";
import { createDemoUsers, createPublisherKey, type DemoUser } from "./demo-users.ts";
import { toRoads } from "./roads.ts";

export interface DemoOptions {
  /** 0: any free one. */
  readonly mqttPort: number;
  readonly httpPort: number;
  /** Seconds of the recording in a second. */
  readonly speed: number;
  /** Starts the broker: how a failure is told is the caller's. */
  readonly start?: (broker: Broker) => ReturnType<Broker["start"]>;
}

/** A broker with real buses in it. Everything that moves goes through its public surfaces: REST, and MQTT with tokens. */
export interface Demo {
  readonly addresses: BrokerAddresses;
  readonly users: readonly DemoUser[];
  /** How many positions were published. */
  readonly published: number;
  /** The browser page of a user; the token stands behind the "#", which a browser sends nowhere. */
  pageUrl(user: DemoUser): string;
  close(): Promise<void>;
}

const PAGE_PATH = "/demo/";

/** Starts the demonstration; resolves once the buses move. Must be closed. */
export async function openDemo(options: DemoOptions): Promise<Demo> {
  const adminToken = randomBytes(32).toString("base64url");
  const broker = createBroker(demoConfig(options), { adminToken });
  const { addresses } = await (options.start ?? ((made) => made.start()))(broker);
  try {
    return await populate(broker, { addresses, adminToken, speed: options.speed });
  } catch (error) {
    await broker.close();
    throw error;
  }
}

function demoConfig({ mqttPort, httpPort }: DemoOptions): ReturnType<typeof loadConfig> {
  return loadConfig({
    flags: [
      { path: "engine", flag: "the demonstration", value: "memory" },
      { path: "mqtt.port", flag: "--mqtt-port", value: mqttPort },
      { path: "http.port", flag: "--http-port", value: httpPort },
      { path: "log.level", flag: "--log-level", value: "warn" },
    ],
  });
}

async function populate(
  broker: Broker,
  { addresses, adminToken, speed }: { addresses: BrokerAddresses; adminToken: string; speed: number },
): Promise<Demo> {
  const positions = readRecording();
  for (const [name, { contentType, body }] of loadDemoPages(toRoads(positions))) {
    broker.addPage(`${PAGE_PATH}${name}`, contentType, body);
  }
  const url = urlText(addresses.http);
  const client = createWeirClient({ url, token: adminToken });
  const users = await createDemoUsers(client);
  const publisher = await BusPublisher.open({
    url: `mqtt://${placeText(addresses.mqtt)}`,
    key: await createPublisherKey(client),
    reports: toReports(positions),
    speed,
  });
  return {
    addresses,
    users,
    get published() {
      return publisher.published;
    },
    pageUrl: ({ name, key }) => `${url}${PAGE_PATH}?user=${name}#${key}`,
    close: async () => {
      await publisher.close();
      await broker.close();
    },
  };
}
