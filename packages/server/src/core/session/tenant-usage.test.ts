import { FakeClock } from "@weir/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { Policy } from "../access/policy.ts";
import type { Principal } from "../access/principal.ts";
import type { PrincipalLimits } from "../access/principal-limits.ts";
import type { TenantLimits } from "../access/tenant-settings.ts";
import { createCounters } from "../ports/telemetry.ts";
import { TenantUsage } from "./tenant-usage.ts";

let clock: FakeClock;
let limits: TenantLimits;
let usage: TenantUsage;

beforeEach(() => {
  clock = new FakeClock();
  limits = {};
  usage = new TenantUsage({ clock, counters: createCounters(), limits: () => limits });
});

/** Of a provider unless it has a token. */
function principal(subject: string, own: PrincipalLimits, tokenId?: string): Principal {
  return {
    tenant: "default",
    identity: { realm: "ciam", subject },
    ...(tokenId !== undefined && { tokenId }),
    clientId: "c",
    policy: Policy.nothing,
    limits: own,
    policyVersion: 0,
    endsAtMs: Infinity,
  };
}

describe("connections", () => {
  it("count together for an identity of a provider, and for a token, whoever has it", () => {
    const alice = principal("alice", { connections: 1 });
    usage.connected(alice);
    expect(usage.hasRoomFor(principal("alice", { connections: 1 }), 0)).toBe(false);
    expect(usage.hasRoomFor(principal("alice", { connections: 1 }), 1)).toBe(true);
    expect(usage.hasRoomFor(principal("bob", { connections: 1 }), 0)).toBe(true);
    expect(usage.hasRoomFor(principal("alice", { connections: 1 }, "t1"), 0)).toBe(true);
    usage.disconnected(alice);
    expect(usage.hasRoomFor(alice, 0)).toBe(true);
    expect(usage.connections).toBe(0);
  });
});

describe("a meter", () => {
  it("is only there where a rate is set", () => {
    expect(usage.meterOf(principal("alice", { connections: 1 }))).toBeUndefined();
    limits = { publishBytesRate: 10 };
    expect(usage.meterOf(principal("alice", {}))).toBeDefined();
  });

  it("lets through what a second has at once, then as much as comes in, and says how long to wait", () => {
    const meter = usage.meterOf(principal("alice", { publishRate: 4 }))!;
    expect([1, 2, 3, 4].map(() => meter.take(0))).toEqual([0, 0, 0, 0]);
    expect(meter.take(0)).toBe(250);
    clock.advance(500);
    expect([meter.take(0), meter.take(0), meter.take(0)]).toEqual([0, 0, 250]);
  });

  it("lets a payload through that is larger than a second's worth, and the next one wait for it", () => {
    const meter = usage.meterOf(principal("alice", { publishBytesRate: 100 }))!;
    expect(meter.take(1_000)).toBe(0);
    expect(meter.take(1)).toBe(9_010);
  });

  it("lets nothing through at the rate 0", () => {
    expect(usage.meterOf(principal("alice", { publishRate: 0 }))!.take(0)).toBe(Infinity);
  });

  it("draws on what the holder has left, however often it comes back, and forgets holders that are as good as new", () => {
    for (let i = 0; i < 3_000; i++) usage.meterOf(principal(`user ${i}`, { publishRate: 1 }))!.take(0);
    expect(usage.meterOf(principal("user 0", { publishRate: 1 }))!.take(0)).toBe(1_000);
    clock.advance(1_000);
    for (let i = 0; i < 5_000; i++) usage.meterOf(principal(`other ${i}`, { publishRate: 1 }))!.take(0);
    expect(usage.meterOf(principal("user 0", { publishRate: 1 }))!.take(0)).toBe(0);
  });
});
