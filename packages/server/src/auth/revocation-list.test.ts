import { FakeClock } from "@weir/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openMemoryEngine } from "../engine/memory/memory-engine.ts";
import { IdentityObjects } from "./identity-objects.ts";
import { RevocationList } from "./revocation-list.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const alice = { tenant: "t", realm: "r", subject: "alice", jti: undefined, kid: undefined, claims: {} };

let clock: FakeClock;
let engine: ReturnType<typeof openMemoryEngine>;

async function open(): Promise<{ list: RevocationList; objects: IdentityObjects }> {
  let ids = 0;
  const kv = (bucket: string) => engine.kv(bucket);
  const objects = new IdentityObjects({ kv, clock, logger: silent, randomId: () => `${ids++}` });
  await objects.open();
  const list = new RevocationList(objects.revocations, clock, silent);
  list.start(() => {});
  return { list, objects };
}

beforeEach(() => {
  clock = new FakeClock({ soon: "immediate" });
  engine = openMemoryEngine({ clock });
});
afterEach(() => engine.close());

const isRevoked = (list: RevocationList, issuedAtMs: number): boolean =>
  list.isRevoked({ ...alice, issuedAtMs });

it("a revocation outlives a restart, is of its realm alone, and goes when all that it is about has expired", async () => {
  const nowMs = clock.nowMs();
  const selector = { kind: "subject", value: "alice" } as const;
  const before = await open();
  await before.list.add("t", { realm: "r", selector, notBeforeMs: nowMs, untilMs: nowMs + 100_000 });
  before.list.stop();
  before.objects.close();
  const { list, objects } = await open();
  expect(isRevoked(list, nowMs - 1)).toBe(true);
  expect(isRevoked(list, nowMs)).toBe(false);
  expect(list.isRevoked({ ...alice, realm: "other", issuedAtMs: 0 })).toBe(false);
  expect(list.isRevoked({ ...alice, tenant: "other", issuedAtMs: 0 })).toBe(false);
  clock.advance(60_000);
  expect(isRevoked(list, nowMs - 1)).toBe(true);
  await expect
    .poll(() => {
      clock.advance(60_000);
      return isRevoked(list, nowMs - 1);
    })
    .toBe(false);
  expect([...objects.revocations.all()]).toEqual([]);
  list.stop();
});

it("revoking twice makes one entry, with the later time", async () => {
  const { list, objects } = await open();
  const selector = { kind: "claim", path: "a.b", value: 1 } as const;
  const untilMs = clock.nowMs() + 1;
  const times = [1_000, 3_000, 2_000];
  await Promise.all(
    times.map(async (notBeforeMs) => list.add("t", { realm: "r", selector, notBeforeMs, untilMs })),
  );
  expect([...objects.revocations.all()].map(({ object }) => object.value.notBeforeMs)).toEqual([3_000]);
  expect(list.isRevoked({ ...alice, claims: { a: { b: 1 } }, issuedAtMs: 2_999 })).toBe(true);
  expect(list.isRevoked({ ...alice, claims: { a: { b: "1" } }, issuedAtMs: 2_999 })).toBe(false);
  list.stop();
});
