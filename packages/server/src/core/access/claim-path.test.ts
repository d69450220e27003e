import { describe, expect, it } from "vitest";
import { lookUpClaim } from "./claim-path.ts";

const claims = {
  sub: "alice",
  "https://example.com/account": "a1",
  realm: { access: { roles: ["x"] }, "my.app": { id: 7 }, "back\\slash": 1 },
  list: [{ a: 1 }],
  text: "abc",
};

describe("lookUpClaim()", () => {
  it.each([
    ["sub", "alice"],
    ["https://example.com/account", "a1"],
    ["realm.access.roles", ["x"]],
    ["realm.my\\.app.id", 7],
    ["realm.back\\\\slash", 1],
    ["realm.my.app.id", undefined],
    ["list.0", undefined],
    ["text.length", undefined],
    ["toString", undefined],
    ["realm.__proto__", undefined],
    ["", undefined],
    ["sub.", undefined],
    ["a\\", undefined],
  ])("finds at %j %j", (path, value) => expect(lookUpClaim(claims, path)).toEqual(value));

  it("finds nothing where there are no claims", () => expect(lookUpClaim(undefined, "sub")).toBeUndefined());
});
