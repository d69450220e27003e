import { describe, expect, it } from "vitest";
import type { Message } from "../ports/message.ts";
import { HeldBytes } from "./held-bytes.ts";

function message(payload: Uint8Array, properties?: Message["properties"]): Message {
  return {
    topic: { name: "t", levels: ["t"] },
    payload,
    qos: 1,
    retain: false,
    properties,
    expiresAtMs: Infinity,
    publisher: { sessionKey: "", realm: "", subject: "", clientId: "" },
    frames: undefined,
  };
}

describe("HeldBytes", () => {
  it("counts a small payload's whole chunk, once for all payloads of it", () => {
    const chunk = new ArrayBuffer(60_000);
    const held = new HeldBytes();
    const messages = [0, 10, 20].map((start) => message(new Uint8Array(chunk, start, 10)));
    for (const one of messages) held.hold(one);
    expect(held.total).toBe(60_000 + 3 * 128);
  });

  it("counts the chunk until the last message of it goes, whichever that is", () => {
    const chunk = new ArrayBuffer(60_000);
    const held = new HeldBytes();
    const messages = [0, 10, 20].map((start) => message(new Uint8Array(chunk, start, 10)));
    for (const one of messages) held.hold(one);
    for (const one of messages.slice(0, 2)) held.release(one);
    expect(held.total).toBe(60_000 + 128);
    held.release(messages[2] as Message);
    expect(held.total).toBe(0);
  });

  it("counts properties, which may be far larger than the payload", () => {
    const held = new HeldBytes();
    const userProperties = Array.from({ length: 10 }, () => ["name", "x".repeat(1_000)] as const);
    const large = message(new Uint8Array(0), { userProperties, contentType: "text", responseTopic: "r" });
    held.hold(large);
    expect(held.total).toBeGreaterThan(10_000);
    held.release(large);
    expect(held.total).toBe(0);
  });

  it("counts a payload that fills its chunk as it is", () => {
    const held = new HeldBytes();
    held.hold(message(new Uint8Array(1_000)));
    expect(held.total).toBe(1_128);
    held.clear();
    expect(held.total).toBe(0);
  });
});
