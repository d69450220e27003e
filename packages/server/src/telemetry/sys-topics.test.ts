import { FakeClock } from "@weir/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { type Counters, createCounters } from "../core/ports/telemetry.ts";
import { type SysMessage, SysTopics } from "./sys-topics.ts";

let clock: FakeClock;
let counters: Counters;
let published: Map<string, string>;
let count: number;
let connected: number;
let publish: (message: SysMessage) => Promise<unknown>;

function sysTopics(intervalMs: number): SysTopics {
  const silent = (): void => {};
  return new SysTopics({
    tenant: "default",
    version: "1.2.3",
    counters: () => counters,
    gauges: {
      connections: () => connected,
      sessions: () => 5,
      subscriptions: () => 6,
      retained: () => 7,
      queued: () => 8,
      logBytes: () => 9,
    },
    clock,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    intervalMs,
    publish: (message) => publish(message),
  });
}

beforeEach(() => {
  clock = new FakeClock();
  counters = createCounters();
  published = new Map();
  [count, connected] = [0, 3];
  publish = async ({ topic, payload, qos, retain, tenant }) => {
    expect({ qos, retain, tenant }).toEqual({ qos: 0, retain: true, tenant: "default" });
    count++;
    published.set(topic, Buffer.from(payload).toString());
  };
});

describe("$SYS/broker", () => {
  it("tells version, uptime, clients, traffic, subscriptions, retained, load", () => {
    counters.messagesReceived[1] = 60;
    counters.sessionsExpired = 4;
    const topics = sysTopics(10_000);
    topics.start();
    const expected = {
      version: "weir version 1.2.3",
      uptime: "0 seconds",
      "clients/connected": "3",
      "clients/disconnected": "2",
      "clients/total": "5",
      "clients/expired": "4",
      "clients/maximum": "3",
      "publish/messages/received": "60",
      "subscriptions/count": "6",
      "retained messages/count": "7",
      "store/messages/bytes": "9",
      "load/publish/received/1min": "0.00",
      "load/connections/15min": "0.00",
    };
    for (const [name, value] of Object.entries(expected))
      expect([name, published.get(`$SYS/broker/${name}`)]).toEqual([name, value]);
    topics.stop();
  });

  it("publishes again only what has changed, every interval", () => {
    const topics = sysTopics(10_000);
    topics.start();
    const first = count;
    connected = 2;
    clock.advance(10_000);
    expect(count - first).toBe(3); // uptime, connected, disconnected: the maximum stays
    expect(published.get("$SYS/broker/clients/maximum")).toBe("3");
    topics.stop();
    clock.advance(60_000);
    expect(count - first).toBe(3);
  });

  it("averages growth over 1, 5 and 15 minutes as mosquitto does", () => {
    const topics = sysTopics(10_000);
    topics.start();
    for (let i = 0; i < 6; i++) {
      counters.messagesSent[0] += 100;
      clock.advance(10_000);
    }
    const load = (minutes: number): number =>
      Number(published.get(`$SYS/broker/load/publish/sent/${minutes}min`));
    expect(load(1)).toBeCloseTo(600 * (1 - Math.exp(-1)), 1);
    expect(load(5)).toBeCloseTo(600 * (1 - Math.exp(-1 / 5)), 1);
    expect(load(15)).toBeCloseTo(600 * (1 - Math.exp(-1 / 15)), 1);
    topics.stop();
  });

  it("publishes again what could not be published", async () => {
    const good = publish;
    publish = () => Promise.reject(new Error("full"));
    const topics = sysTopics(10_000);
    topics.start();
    await clock.settle();
    publish = good;
    clock.advance(10_000);
    expect(published.get("$SYS/broker/version")).toBe("weir version 1.2.3");
    topics.stop();
  });

  it("an interval of 0 is off", () => {
    sysTopics(0).start();
    clock.advance(60_000);
    expect(count).toBe(0);
  });
});
