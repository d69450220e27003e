import { describe, expect, test } from "vitest";
import type { Message } from "../ports/message.ts";
import { RetainedStore } from "./retained-store.ts";

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1);

function messageOf(name: string, options: { expiresInMs?: number; text?: string } = {}): Message {
  const { expiresInMs = Infinity, text = "x" } = options;
  return {
    topic: { name, levels: name.split("/") },
    payload: new TextEncoder().encode(text),
    qos: 1,
    retain: true,
    properties: undefined,
    expiresAtMs: startMs + expiresInMs,
    publisher: { sessionKey: "", realm: "", subject: "", clientId: "" },
    frames: undefined,
  };
}

const namesAt = (store: RetainedStore, filter: string): string[] =>
  [...store.match(filter.split("/"))].map(({ topic }) => topic.name).toSorted();

describe("RetainedStore", () => {
  test("keeps the newest message of each topic, and none that is empty [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]", () => {
    const store = new RetainedStore();
    store.put(messageOf("a/b", { text: "old" }));
    const newest = messageOf("a/b", { text: "new" });
    store.put(newest);
    expect([store.count, store.get(["a", "b"])]).toEqual([1, newest]);
    store.put(messageOf("a/b", { text: "" }));
    expect([store.count, store.get(["a", "b"])]).toEqual([0, undefined]);
  });

  test("finds by filter, and leaves $ topics to filters that name them [MQTT-4.7.2-1]", () => {
    const store = new RetainedStore();
    for (const name of ["a", "a/b", "a/b/c", "/a", "$SYS/a"]) store.put(messageOf(name));
    expect(namesAt(store, "a/#")).toEqual(["a", "a/b", "a/b/c"]);
    expect(namesAt(store, "+/b")).toEqual(["a/b"]);
    expect(namesAt(store, "#")).toEqual(["/a", "a", "a/b", "a/b/c"]);
    expect(namesAt(store, "+/a")).toEqual(["/a"]);
    expect(namesAt(store, "$SYS/#")).toEqual(["$SYS/a"]);
  });

  test("takes out what has expired, and nothing else", () => {
    const store = new RetainedStore();
    store.put(messageOf("endless"));
    store.put(messageOf("short", { expiresInMs: 10_000 }));
    store.put(messageOf("long", { expiresInMs: 10 * minuteMs }));
    expect(store.takeExpired(startMs + 9_000)).toEqual([]);
    expect(store.takeExpired(startMs + 2 * minuteMs).map(({ topic }) => topic.name)).toEqual(["short"]);
    expect(store.takeExpired(startMs + 2 * minuteMs)).toEqual([]);
    expect(namesAt(store, "#")).toEqual(["endless", "long"]);
    store.takeExpired(startMs + 12 * minuteMs);
    expect([store.count, namesAt(store, "#")]).toEqual([1, ["endless"]]);
  });

  test("what was replaced or removed does not expire any more", () => {
    const store = new RetainedStore();
    store.put(messageOf("replaced", { expiresInMs: 1 }));
    const lasting = messageOf("replaced");
    store.put(lasting);
    store.put(messageOf("removed", { expiresInMs: 1 }));
    store.remove(["removed"]);
    store.put(messageOf("removed"));
    expect(store.takeExpired(startMs + 5 * minuteMs)).toEqual([]);
    expect(store.get(["replaced"])).toBe(lasting);
    expect(store.count).toBe(2);
  });

  test("a message that had expired before it came goes with the next look", () => {
    const store = new RetainedStore();
    store.takeExpired(startMs);
    store.put(messageOf("late", { expiresInMs: -10 * minuteMs }));
    expect(store.takeExpired(startMs + minuteMs)).toHaveLength(1);
    expect(store.count).toBe(0);
  });
});
