import { type BrokerFixture, describeWith, FakeClock, startBroker } from "@weir/testkit";
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MosquittoRun } from "../../testing/real-clients/mosquitto-run.ts";

const acl = [{ actions: ["publish", "subscribe"], topic: "data/#" }];

/** However slow the machine is, the clients are there before their tokens end. */
const clock = new FakeClock({ soon: "immediate" });
let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" }, clock });
});
afterAll(() => broker.close());

const inMs = (ms: number): string => new Date(clock.nowMs() + ms).toISOString();

function token(subject: string, expiresAt: string): Promise<string> {
  return broker.token({ subject, acl, expiresAt });
}

async function isConnected(clientId: string): Promise<boolean> {
  const path = `/sessions?connected=true&clientId=${clientId}`;
  const { items } = (await broker.rest("GET", path)) as { items: readonly unknown[] };
  return items.length > 0;
}

describeWith("mosquitto_sub", "a client that says nothing", (mosquittoSub) => {
  test.each(["mqttv31", "mqttv311", "mqttv5"])(
    "and speaks %s is cut off within a second of its token's end, and not let in again",
    async (version) => {
      const key = await token(version, inMs(60_000));
      const to = ["-h", "127.0.0.1", "-p", `${broker.addresses.mqtt.port}`, "-V", version, "-k", "3600"];
      const run = new MosquittoRun(mosquittoSub, [
        ...to,
        ...`-u any -P ${key} -i ${version} -t data/#`.split(" "),
      ]);
      await expect.poll(() => isConnected(version)).toBe(true);
      clock.advance(59_900);
      expect(await isConnected(version)).toBe(true);
      clock.advance(1_100);
      await broker.disconnected(version);
      await run.ended; // it is told in 5.0, and refused when it comes again in the others
    },
  );
});

describe.each(["mqtt", "ws"])("MQTT.js over %s", (scheme) => {
  interface Told {
    readonly topic: string;
    readonly content: Record<string, unknown>;
  }

  async function connected(key: string, clientId: string, told: Told[]): Promise<MqttClient> {
    const { mqtt, http } = broker.addresses;
    const url = `${scheme}://127.0.0.1:${scheme === "mqtt" ? mqtt.port : http.port}/mqtt`;
    const client = await connectAsync(url, {
      protocolVersion: 5,
      clientId,
      username: "any",
      password: key,
      reconnectPeriod: 0,
      keepalive: 0, // it would count the seconds of another clock
    });
    client.on("message", (topic, payload) =>
      told.push({ topic, content: JSON.parse(payload.toString()) as Told["content"] }),
    );
    return client;
  }

  test("is warned, publishes its next token to $client/auth, and goes on where the first one ends", async () => {
    const name = `renewing-${scheme}`;
    const told: Told[] = [];
    const first = await token(name, inMs(70_000));
    const client = await connected(first, name, told);
    await client.subscribeAsync(["$client/#", "data/#"]);
    clock.advance(10_000);
    await expect.poll(() => told[0]).toMatchObject({ topic: "$client/expiring" });
    const next = inMs(3_600_000);
    await client.publishAsync("$client/auth", await token(name, next), { qos: 1 });
    await expect
      .poll(() => told.at(-1))
      .toEqual({ topic: "$client/renewed", content: { ok: true, expiresAt: next } });
    clock.advance(61_000);
    await client.publishAsync("data/x", "1", { qos: 1 });
    await expect.poll(() => told.at(-1)).toEqual({ topic: "data/x", content: 1 });
    await client.endAsync();
  });

  test("that does not renew gets DISCONNECT 0xA0", async () => {
    const name = `ending-${scheme}`;
    const client = await connected(await token(name, inMs(60_000)), name, []);
    const reasonCode = new Promise<number | undefined>((resolve) =>
      client.on("disconnect", (packet) => resolve(packet.reasonCode)),
    );
    clock.advance(60_100);
    expect(await reasonCode).toBe(0xa0);
    await client.endAsync(true);
  });
});
