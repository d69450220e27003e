import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeSession, problem, RestFixture } from "../../testing/rest-fixture.ts";

let rest: RestFixture;

beforeEach(async () => {
  rest = await RestFixture.open();
});

afterEach(() => rest.close());

describe("sessions", () => {
  beforeEach(async () => {
    const first = await rest.admin.tokens.create({ subject: "u1" });
    const second = await rest.admin.tokens.create({ subject: "u2" });
    await rest.openSession("b", first.key);
    await rest.openSession("a", second.key);
    await rest.openSession("c", first.key);
    (rest.sessions[2] as FakeSession).isConnected = false;
  });

  it("GET lists them by pages in the order of their ids, with what they may read", async () => {
    const first = await rest.admin.sessions.list({ limit: 2 });
    expect(first.items.map((session) => session.id)).toEqual(["a", "b"]);
    expect(first.items[0]).toMatchObject({
      clientId: "client-a",
      identity: { realm: "token", subject: "u2" },
      tenant: "default",
      protocol: "5.0",
      connected: true,
      connectedSince: "1970-01-01T00:00:00.000Z",
      queued: 3,
      inFlight: 2,
      dropped: 1,
      subscriptions: [{ filter: "#", qos: 1, effective: ["data/u1/#"] }],
    });
    const second = await rest.admin.sessions.list({ limit: 2, cursor: first.next as string });
    expect(second.items.map((session) => session.id)).toEqual(["c"]);
  });

  it("GET filters by clientId, subject, token, connected", async () => {
    const ids = async (query: Parameters<typeof rest.admin.sessions.list>[0]): Promise<string[]> =>
      (await rest.admin.sessions.list(query)).items.map((session) => session.id);
    expect(await ids({ clientId: "client-b" })).toEqual(["b"]);
    expect(await ids({ subject: "u1" })).toEqual(["b", "c"]);
    expect(await ids({ token: rest.sessions[1]?.principal.tokenId as string })).toEqual(["a"]);
    expect(await ids({ connected: false })).toEqual(["c"]);
    expect(await ids({ subject: "u1", connected: true })).toEqual(["b"]);
  });

  it("DELETE disconnects and deletes; state=keep only disconnects; many by a filter", async () => {
    await rest.admin.sessions.delete("a", { state: "keep" });
    expect((await rest.admin.sessions.get("a")).connected).toBe(false);
    await rest.admin.sessions.delete("a");
    expect(await rest.call("GET", "/api/v1/sessions/a")).toMatchObject(problem(404, "not-found"));
    expect(await rest.admin.sessions.deleteMany({ subject: "u1" })).toEqual({ count: 2 });
    expect(rest.ended.map(({ id, forget }) => [id, forget])).toEqual([
      ["a", false],
      ["a", true],
      ["b", true],
      ["c", true],
    ]);
  });

  it("DELETE of many without a filter is refused", async () => {
    expect(await rest.call("DELETE", "/api/v1/sessions")).toMatchObject(problem(400, "invalid"));
    expect(await rest.call("DELETE", "/api/v1/sessions?state=keep")).toMatchObject(problem(400, "invalid"));
    expect(rest.ended).toEqual([]);
  });
});
