import { startBroker } from "@weir/testkit";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../testing/fleet-fixture.ts";
import { type ConsumedMessage, type ConsumerEvent, MqttConsumer } from "./mqtt-consumer.ts";

type Broker = Awaited<ReturnType<typeof startBroker>>;

/** A broker, and what it takes to consume from it. */
async function setUp(): Promise<{ readonly broker: Broker; readonly open: OpenConsumer }> {
  const broker = await startBroker({ anonymous: { allow: "nobody" } });
  onTestFinished(() => broker.close());
  const token = await broker.token({
    subject: "consumer",
    acl: [{ actions: ["subscribe"], topic: "data/#" }],
  });
  const open: OpenConsumer = (handle, maxBatch = 100) => {
    const events: ConsumerEvent[] = [];
    const consumer = new MqttConsumer({
      url: `mqtt://127.0.0.1:${broker.addresses.mqtt.port}`,
      clientId: "consumer",
      token,
      filters: ["data/#"],
      sessionExpiryS: 3_600,
      maxBatch,
      handle,
      log: (event) => events.push(event),
    });
    consumer.start();
    onTestFinished(() => consumer.close());
    return { consumer, events };
  };
  return { broker, open };
}

type OpenConsumer = (
  handle: (batch: readonly ConsumedMessage[]) => Promise<void>,
  maxBatch?: number,
) => { readonly consumer: MqttConsumer; readonly events: ConsumerEvent[] };

async function publish(broker: Broker, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++)
    await broker.rest("POST", "/messages", { topic: "data/a", payload: String(n), qos: 1 });
}

async function connected(events: readonly ConsumerEvent[]): Promise<void> {
  await eventually(
    () => Promise.resolve(events.some(({ kind }) => kind === "connected")),
    (isConnected) => isConnected,
  );
}

function reasonsOf(events: readonly ConsumerEvent[]): string[] {
  return events.flatMap((event) => (event.kind === "disconnected" ? [event.reason] : []));
}

function numbers(batch: readonly ConsumedMessage[]): number[] {
  return batch.map(({ payload }) => Number(new TextDecoder().decode(payload)));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test("a consumer gets everything in order, in batches of what came meanwhile, and never more than asked for", async () => {
  const { broker, open } = await setUp();
  const batches: number[][] = [];
  const { events } = open(async (batch) => {
    batches.push(numbers(batch));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }, 10);
  await connected(events);
  await publish(broker, 0, 60);
  await eventually(
    () => Promise.resolve(batches.flat().length),
    (count) => count >= 60,
  );
  expect(batches.flat()).toEqual(upTo(60));
  expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(10);
});

test("a message whose handling fails comes again, and is not lost", async () => {
  const { broker, open } = await setUp();
  const handled: number[] = [];
  let failures = 0;
  const { events } = open((batch) => {
    if (numbers(batch).includes(3) && failures++ < 2) return Promise.reject(new Error("the disk is full"));
    handled.push(...numbers(batch));
    return Promise.resolve();
  });
  await connected(events);
  await publish(broker, 0, 6);
  await eventually(
    () => Promise.resolve(new Set(handled).size),
    (count) => count === 6,
  );
  expect([...new Set(handled)]).toEqual(upTo(6));
  expect(reasonsOf(events)).toContainEqual(expect.stringContaining("the disk is full"));
});

test("what comes while it is away waits for it, and what it had not acknowledged comes again", async () => {
  const { broker, open } = await setUp();
  const release = Promise.withResolvers<void>();
  const first = open(() => release.promise);
  await connected(first.events);
  await publish(broker, 0, 3);
  await publish(broker, 3, 5);
  release.resolve();
  await first.consumer.close();
  await broker.disconnected("consumer");
  await publish(broker, 5, 8);
  const handled: number[] = [];
  const second = open((batch) => {
    handled.push(...numbers(batch));
    return Promise.resolve();
  });
  await eventually(
    () => Promise.resolve(handled.at(-1)),
    (last) => last === 7,
  );
  expect(handled.slice(-3)).toEqual([5, 6, 7]);
  expect(second.events[0]).toEqual({ kind: "connected", sessionPresent: true });
});

test("a credential that is refused is told, and tried again later", async () => {
  const { broker } = await setUp();
  const events: ConsumerEvent[] = [];
  const consumer = new MqttConsumer({
    url: `mqtt://127.0.0.1:${broker.addresses.mqtt.port}`,
    clientId: "stranger",
    token: "weir_nobody_nothing",
    filters: ["data/#"],
    sessionExpiryS: 0,
    maxBatch: 10,
    handle: () => Promise.resolve(),
    log: (event) => events.push(event),
  });
  consumer.start();
  onTestFinished(() => consumer.close());
  await eventually(
    () => Promise.resolve(events.length),
    (count) => count >= 2,
  );
  expect(reasonsOf(events)[0]).toContain("0x86");
});
