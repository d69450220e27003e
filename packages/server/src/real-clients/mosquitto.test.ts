import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeWith, textOf } from "@weir/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type BrokerPair, startBrokerPair } from "../../testing/real-clients/broker-pair.ts";
import { MosquittoRun } from "../../testing/real-clients/mosquitto-run.ts";

const TRANSPORTS = ["tcp", "tls"] as const; // Debian's clients, 2.0.11, speak no WebSocket
const VERSIONS = ["mqttv31", "mqttv311", "mqttv5"] as const;
const COMBINATIONS = TRANSPORTS.flatMap((over) => VERSIONS.map((version) => [over, version] as const));
const LARGE_BYTES = 10_000_000;
/** Exit codes: of MQTT 3, and the reason code of MQTT 5. */
const REFUSED = { mqttv31: 4, mqttv311: 4, mqttv5: 0x86 } as const;

describeWith("mosquitto_sub", "mosquitto's clients", (mosquittoSub) => {
  const mosquittoPub = mosquittoSub.replace(/sub$/, "pub");
  const mosquittoRr = mosquittoSub.replace(/sub$/, "rr");
  let brokers: BrokerPair;
  let folder: string;
  beforeAll(async () => {
    brokers = await startBrokerPair();
    folder = mkdtempSync(join(tmpdir(), "weir-mosquitto-"));
  });
  afterAll(async () => {
    await brokers.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describe.each(COMBINATIONS)("over %s in %s", (over, version) => {
    let runs: MosquittoRun[] = [];
    afterEach(async () => {
      await Promise.all(runs.map((run) => run.kill()));
      runs = [];
      await brokers.brokerFor(over).rest("DELETE", "/sessions?subject=mosquitto");
    });

    async function run(program: string, args: readonly string[], input?: string): Promise<MosquittoRun> {
      const { port, caFile } = brokers.addressFor(over);
      const acl = [{ actions: ["publish", "subscribe"], topic: "t/#" }];
      const key = await brokers.brokerFor(over).token({ subject: "mosquitto", acl });
      const to = [
        "-h",
        "127.0.0.1",
        "-p",
        `${port}`,
        "-V",
        version,
        ...(over === "tls" ? ["--cafile", caFile] : []),
      ];
      // What comes later counts: an own password stands among the arguments
      const one = new MosquittoRun(program, [...to, "-u", "any", "-P", key, ...args], input);
      runs.push(one);
      return one;
    }

    /** Has connected and subscribed. */
    async function subscriber(clientId: string, ...args: readonly string[]): Promise<MosquittoRun> {
      const sub = await run(mosquittoSub, ["-i", clientId, "-W", "20", ...args]);
      const path = `/sessions?connected=true&clientId=${clientId}`;
      const isSubscribed = async (): Promise<boolean> => {
        const { items } = (await brokers.brokerFor(over).rest("GET", path)) as {
          items: readonly { subscriptions: readonly unknown[] }[];
        };
        return (items[0]?.subscriptions.length ?? 0) > 0;
      };
      await expect.poll(isSubscribed, { timeout: 10_000, interval: 5 }).toBe(true);
      return sub;
    }

    async function publish(topic: string, ...args: readonly string[]): Promise<void> {
      await (await run(mosquittoPub, ["-t", topic, ...args])).lines();
    }

    /** One message a line. */
    async function publishLines(topic: string, qos: number, lines: readonly string[]): Promise<void> {
      const args = ["-t", topic, "-q", `${qos}`, "-l"];
      await (await run(mosquittoPub, args, lines.map((line) => `${line}\n`).join(""))).lines();
    }

    test("a token as the password is let in, a wrong one refused", async () => {
      const { exitCode } = await (await run(mosquittoPub, ["-t", "t/x", "-q", "1", "-m", "x"])).ended;
      expect(exitCode).toBe(0);
      const wrong = await run(mosquittoPub, ["-t", "t/x", "-q", "1", "-m", "x", "-P", "weir_wrong"]);
      expect((await wrong.ended).exitCode).toBe(REFUSED[version]);
    });

    test("what is published at each QoS arrives at the lower of it and the granted one", async () => {
      const subs = await Promise.all(
        [0, 1, 2].map((qos) =>
          subscriber(`at${qos}`, "-t", "t/qos/#", "-q", `${qos}`, "-C", "3", "-F", "%t %q %p"),
        ),
      );
      for (const qos of [0, 1, 2]) await publish(`t/qos/${qos}`, "-q", `${qos}`, "-m", `at${qos}`);
      for (const [granted, sub] of subs.entries())
        expect(await sub.lines()).toEqual(
          [0, 1, 2].map((qos) => `t/qos/${qos} ${Math.min(qos, granted)} at${qos}`),
        );
    });

    test.each([1, 2])("offline and back: all that came meanwhile at QoS %i arrives in order", async (qos) => {
      const session = ["-i", "away", "-c", "-t", "t/while-away", "-q", "2", "-W", "20"];
      await (await run(mosquittoSub, [...session, "-E"])).lines();
      const lines = Array.from({ length: 100 }, (_, number) => `${number}`);
      await publishLines("t/while-away", qos, lines);
      expect(await (await run(mosquittoSub, [...session, "-C", "100"])).lines()).toEqual(lines);
    });

    test("a lost connection publishes the will, DISCONNECT does not", async () => {
      const witness = await subscriber("witness", "-t", "t/will/#", "-q", "1", "-C", "1", "-F", "%t %q %p");
      const will = (topic: string): string[] => [
        "--will-topic",
        topic,
        "--will-payload",
        "gone",
        "--will-qos",
        "1",
      ];
      const leaver = await subscriber("leaver", "-t", "t/leaver", "-C", "1", ...will("t/will/leaver"));
      await publish("t/leaver", "-m", "leave");
      await leaver.lines();
      const lost = await subscriber("lost", "-t", "t/lost", ...will("t/will/lost"));
      await lost.kill();
      expect(await witness.lines()).toEqual(["t/will/lost 1 gone"]);
    });

    test("a retained message meets those who come later, until an empty one removes it", async () => {
      await publish("t/retained", "-r", "-q", "1", "-m", "kept");
      const later = await subscriber("later", "-t", "t/+", "-q", "1", "-C", "2", "-F", "%t %q %r %p");
      await publish("t/retained", "-r", "-q", "1", "-n");
      expect(await later.lines()).toEqual(["t/retained 1 1 kept", "t/retained 1 0 "]);
      const last = await subscriber("last", "-t", "t/+", "-q", "1", "-C", "1", "-F", "%t %r %p");
      await publish("t/other", "-q", "1", "-m", "live");
      expect(await last.lines()).toEqual(["t/other 0 live"]);
    });

    test("the members of a shared subscription divide the messages among them", async () => {
      const share = ["-t", "$share/workers/t/jobs", "-q", "1"];
      const members = [await subscriber("one", ...share), await subscriber("two", ...share)];
      const lines = Array.from({ length: 20 }, (_, number) => `${number}`);
      await publishLines("t/jobs", 1, lines);
      const taken = (): string[][] => members.map(({ printed }) => printed.split("\n").filter(Boolean));
      await expect.poll(() => taken().flat().length, { timeout: 10_000, interval: 5 }).toBe(20);
      const sorted = taken()
        .flat()
        .toSorted((one, other) => Number(one) - Number(other));
      expect(sorted).toEqual(lines);
      for (const ofMember of taken()) expect(ofMember.length).toBeGreaterThan(0);
    });

    test("a payload of 10 MB arrives whole", async () => {
      const payload = randomBytes(LARGE_BYTES);
      const file = join(folder, "payload");
      writeFileSync(file, payload);
      const sub = await subscriber("large", "-t", "t/large", "-q", "1", "-C", "1", "-N");
      await publish("t/large", "-q", "1", "-f", file);
      const { exitCode, stdout } = await sub.ended;
      expect([exitCode, stdout.equals(payload)]).toEqual([0, true]);
    });

    if (version !== "mqttv5") return;
    describe("MQTT 5.0", () => {
      test("properties arrive as they were sent, with the subscription's identifier", async () => {
        const format = ["-F", "%P|%C|%R|%D|%E|%S", "-D", "subscribe", "subscription-identifier", "7"];
        const sub = await subscriber("props", "-t", "t/props", "-q", "1", "-C", "1", ...format);
        const properties = [
          ["user-property", "unit", "°C"],
          ["user-property", "unit", "K"],
          ["content-type", "text/plain"],
          ["response-topic", "t/answers"],
          ["correlation-data", "c1"],
          ["message-expiry-interval", "3600"],
        ].flatMap((property) => ["-D", "publish", ...property]);
        await publish("t/props", "-q", "1", "-m", "x", ...properties);
        const [line = ""] = await sub.lines();
        expect(line).toMatch(/^unit:°C unit:K\|text\/plain\|t\/answers\|c1\|(3600|35\d\d)\|7$/);
      });

      test("messages under a topic alias arrive under their topic", async () => {
        const sub = await subscriber("alias", "-t", "t/+", "-q", "1", "-C", "3", "-F", "%t %p");
        await publish("t/alias", "-q", "1", "-m", "x", "--repeat", "3", "-D", "publish", "topic-alias", "3");
        expect(await sub.lines()).toEqual(["t/alias x", "t/alias x", "t/alias x"]);
      });

      test("mosquitto_rr gets the answer to its request", async () => {
        const { ca } = brokers.addressFor(over);
        const acl = [{ actions: ["publish", "subscribe"], topic: "t/#" }];
        const broker = brokers.brokerFor(over);
        const password = await broker.token({ subject: "mosquitto", acl });
        const service = await broker.connect({ over, tls: { ca }, password });
        await service.subscribe({ topicFilter: "t/requests", qos: 1 });
        const request = ["-t", "t/requests", "-e", "t/answers", "-m", "2 + 2", "-q", "1", "-W", "20"];
        const caller = await run(mosquittoRr, [...request, "-D", "publish", "correlation-data", "c1"]);
        const message = await service.receiveMessage();
        const { responseTopic = "", correlationData = Buffer.of() } = message.properties ?? {};
        expect([textOf(message), responseTopic, Buffer.from(correlationData).toString()]).toEqual([
          "2 + 2",
          "t/answers",
          "c1",
        ]);
        await service.publish(responseTopic, "4", { qos: 1, properties: { correlationData } });
        expect(await caller.lines()).toEqual(["4"]);
      });
    });
  });
});
