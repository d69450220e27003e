import { describeWith, FakeClock, startBroker, type BrokerFixture } from "@weir/testkit";
import { OAuth2Server } from "oauth2-mock-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MosquittoRun } from "../../testing/real-clients/mosquitto-run.ts";
import { MqttJsLibrary } from "../../testing/real-clients/mqtt-js-library.ts";
import type { Address } from "../../testing/real-clients/real-client.ts";

/** Fleet design B: a CIAM system issues JWTs; accounts and devices stand in topics. */
const policy = {
  entries: [
    { actions: ["subscribe"], topic: "arrangement/txn/evt/v01/eft/${claims.account}/${claims.device}/#" },
    { actions: ["publish"], topic: "arrangement/txn/cmd/v01/eft/${claims.account}/#" },
  ],
};
const SERVICE = { actions: ["publish", "subscribe"], topic: "arrangement/#" };

let ciam: OAuth2Server;
let broker: BrokerFixture;
const library = new MqttJsLibrary();

beforeAll(async () => {
  ciam = new OAuth2Server();
  await ciam.issuer.keys.generate("RS256");
  await ciam.start(0, "127.0.0.1");
  broker = await brokerOfCiam();
});

async function brokerOfCiam(clock?: FakeClock): Promise<BrokerFixture> {
  const issuer = ciam.issuer.url ?? "";
  const broker = await startBroker({ anonymous: { allow: "nobody" }, ...(clock && { clock }) });
  await broker.rest("PUT", "/policies/customer", policy);
  await broker.rest("PUT", "/providers/ciam", {
    issuer,
    audience: ["weir"],
    jwksUri: `${issuer}/jwks`,
    groupsClaim: "roles",
  });
  await broker.rest("PUT", "/groups/customers", {
    provider: "ciam",
    value: "customer",
    policies: ["customer"],
  });
  return broker;
}

afterAll(async () => {
  await library.close();
  await broker.close();
  await ciam.stop();
});

function jwt(more: object = {}): Promise<string> {
  return ciam.issuer.buildToken({
    scopesOrTransform: (_header, payload) => {
      Object.assign(payload, {
        aud: "weir",
        sub: "alice",
        roles: ["customer"],
        account: ["a1", "a2"],
        device: "d1",
        ...more,
      });
    },
  });
}

async function subscriptionsOf(clientId: string): Promise<number> {
  const { items } = (await broker.rest("GET", `/sessions?clientId=${clientId}`)) as {
    items: { subscriptions: unknown[] }[];
  };
  return items[0]?.subscriptions.length ?? 0;
}

const event = (account: string, device: string): string =>
  `arrangement/txn/evt/v01/eft/${account}/${device}/balance`;

describe.each(["tcp", "ws"] as const)("MQTT.js over %s with a JWT", (over) => {
  const address = ({ addresses }: BrokerFixture): Address => {
    const { mqtt, http } = addresses;
    return { over, port: over === "tcp" ? mqtt.port : http.port, ca: "", caFile: "" };
  };

  test("receives its accounts' events on its device, and nobody else's", async () => {
    const password = await jwt();
    const client = await library.connect(address(broker), {
      version: 5,
      clientId: `customer-${over}`,
      password,
    });
    await client.subscribe("#");
    const key = await broker.token({ acl: [SERVICE] });
    const service = await library.connect(address(broker), {
      version: 5,
      clientId: `service-${over}`,
      password: key,
    });
    for (const [account, device] of [
      ["a3", "d1"],
      ["a1", "d2"],
      ["a1", "d1"],
      ["a2", "d1"],
    ] as const)
      await service.publish(event(account, device), `${account} ${device}`, { qos: 1 });
    const received = await client.inbox.take(2);
    expect(received.map(({ topic }) => topic)).toEqual([event("a1", "d1"), event("a2", "d1")]);
    await Promise.all([client.disconnect(), service.disconnect()]);
  });

  test("is refused with a JWT for somebody else's audience", async () => {
    const password = await jwt({ aud: "other" });
    const client = await library.connect(address(broker), { version: 5, clientId: "c", password });
    expect(client.reasonCode).toBe(0x86);
    await client.cut();
  });

  test("is cut when its JWT expires, however silent it is", async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const clock = new FakeClock({ startMs: nowS * 1_000, soon: "immediate" });
    const timed = await brokerOfCiam(clock);
    const password = await jwt({ iat: nowS, exp: nowS + 60 });
    const client = await library.connect(address(timed), { version: 5, clientId: "short", password });
    expect(client.reasonCode).toBe(0);
    clock.advance(61_000);
    await timed.disconnected("short");
    await client.cut();
    await timed.close();
  });
});

describeWith("mosquitto_sub", "mosquitto_sub with a JWT", (mosquittoSub) => {
  test("receives what its groups allow; a new key of the CIAM system is found", async () => {
    await ciam.issuer.keys.generate("ES256");
    const to = `-h 127.0.0.1 -p ${broker.addresses.mqtt.port} -V mqttv311 -i mosquitto -u any -P ${await jwt()}`;
    const wanted = "-t arrangement/# -C 1 -v -q 1 -W 20";
    const client = new MosquittoRun(mosquittoSub, `${to} ${wanted}`.split(" "));
    await expect.poll(() => subscriptionsOf("mosquitto"), { timeout: 10_000 }).toBe(1);
    const key = await broker.token({ acl: [SERVICE] });
    const service = await broker.connect({ password: key });
    await service.publish(event("a3", "d1"), "not hers", { qos: 1 });
    await service.publish(event("a2", "d1"), "hers", { qos: 1 });
    const lines = await client.lines();
    expect(lines.filter((line) => line.startsWith("arrangement"))).toEqual([`${event("a2", "d1")} hers`]);
  });
});
