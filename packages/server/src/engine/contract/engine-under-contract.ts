import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect } from "vitest";
import {
  EngineError,
  type Engine,
  type EngineErrorCode,
  type LogRecord,
  type StoredRecord,
} from "../../core/ports/engine.ts";

export interface EngineCapabilities {
  /** Opens two nodes that share what is stored. */
  readonly openPair?: () => Promise<readonly [Engine, Engine]>;
  /** Ends the engine as `kill -9` would, and opens what it left behind. */
  readonly crash?: (engine: Engine) => Promise<Engine>;
  /** Opens an engine whose log evicts beyond about so many bytes. */
  readonly openBounded?: (maxBytes: number) => Promise<Engine>;
}

/** What the suite's parts share: engines that are closed after each test. */
export interface EngineUnderTest {
  readonly capabilities: EngineCapabilities;
  open(): Promise<Engine>;
  openPair(): Promise<readonly [Engine, Engine]>;
  crash(engine: Engine): Promise<Engine>;
  openBounded(maxBytes: number): Promise<Engine>;
}

/** To be called inside a `describe`. */
export function createEngineUnderTest(
  open: () => Promise<Engine>,
  capabilities: EngineCapabilities,
): EngineUnderTest {
  let engines: Engine[] = [];
  const opened = (engine: Engine): Engine => {
    engines.push(engine);
    return engine;
  };
  afterEach(async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    engines = [];
  });
  return {
    capabilities,
    open: async () => opened(await open()),
    openPair: async () => {
      const [first, second] = await capabilities.openPair!();
      return [opened(first), opened(second)];
    },
    crash: async (engine) => {
      engines = engines.filter((other) => other !== engine);
      return opened(await capabilities.crash!(engine));
    },
    openBounded: async (maxBytes) => opened(await capabilities.openBounded!(maxBytes)),
  };
}

const encoder = new TextEncoder();

/** A QoS 1 message of some user, with what a test wants to differ. */
export function record(topic: string, payload = "", changes: Partial<LogRecord> = {}): LogRecord {
  return {
    topic,
    payload: encoder.encode(payload),
    qos: 1,
    retain: false,
    properties: undefined,
    publishedAtMs: 1_700_000_000_000,
    expiresAtMs: Infinity,
    publisher: { sessionKey: "default/token/u1/c1", realm: "token", subject: "u1", clientId: "c1" },
    inbound: undefined,
    ...changes,
  };
}

export function textOf(stored: StoredRecord): string {
  return new TextDecoder().decode(stored.record.payload);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

const patienceMs = 10_000;

/** Waits for what has to come; throws where it has not come in 10 s. */
export async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`not within ${patienceMs} ms: ${isTrue.toString()}`);
    await nextTurn();
  }
}

/** Lets everything happen that would have happened by now. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
}

export async function expectError(promise: Promise<unknown>, code: EngineErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  expect((error as EngineError).code).toBe(code);
}
