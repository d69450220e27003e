import { ReasonCode } from "@weir/protocol";
import { FakeClock, startBroker } from "@weir/testkit";
import { describe, expect, it } from "vitest";
import { LoginFailures } from "./login-failures.ts";

function setUp(freeFailures = 2) {
  const clock = new FakeClock({ soon: "immediate" });
  const answered: string[] = [];
  let slowedCount = 0;
  const failures = new LoginFailures({ clock, freeFailures, slowed: () => (slowedCount += 1) });
  const fail = (address: string): void => void failures.slow(address).then(() => answered.push(address));
  const advance = async (ms: number): Promise<number> => {
    clock.advance(ms);
    await new Promise(setImmediate);
    return answered.length;
  };
  return { fail, advance, slowed: () => slowedCount };
}

describe("LoginFailures", () => {
  it("answers a few a minute at once, then one after the other, further and further apart", async () => {
    const { fail, advance, slowed } = setUp();
    for (let i = 0; i < 5; i++) fail("192.0.2.1");
    expect(await advance(0)).toBe(2);
    expect(slowed()).toBe(3);
    expect(await advance(200)).toBe(3);
    expect(await advance(400)).toBe(4);
    expect(await advance(800)).toBe(5);
  });

  it("keeps nobody waiting for longer than 3 s, and forgets after a minute", async () => {
    const { fail, advance } = setUp(0);
    for (let i = 0; i < 100; i++) fail("192.0.2.1");
    expect(await advance(3_100)).toBe(100);
    await advance(60_000);
    fail("192.0.2.1");
    expect(await advance(200)).toBe(101);
  });

  it("counts an IPv6 network of 64 bits as one, and others by themselves", async () => {
    const { fail, advance } = setUp(1);
    fail("2001:db8::1");
    fail("2001:db8::ffff:2");
    fail("2001:db8:0:1::1");
    fail("192.0.2.1");
    expect(await advance(0)).toBe(3);
  });
});

it("a valid credential is let in at once, whatever failed from its address", async () => {
  const clock = new FakeClock({ soon: "immediate" });
  const broker = await startBroker({
    clock,
    anonymous: { allow: "nobody" },
    limits: { loginFailures: 1 },
  });
  const key = await broker.token({ acl: [] });
  const guessers = await Promise.all([1, 2, 3].map(async () => broker.open({ password: "guess" })));
  const answers = guessers.map(async (guesser) => guesser.connect());
  expect((await answers[0])?.reasonCode).toBe(ReasonCode.badUserNameOrPassword);
  await broker.connect({ password: key });
  clock.advance(3_000);
  for (const answer of answers) expect((await answer).reasonCode).toBe(ReasonCode.badUserNameOrPassword);
  await broker.close();
});
