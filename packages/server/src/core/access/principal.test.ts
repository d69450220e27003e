import { expect, it } from "vitest";
import { identityKey } from "./principal.ts";

it("identityKey() differs wherever tenant, realm or subject differ, whatever characters they contain", () => {
  const parts = ["", "a", "1", ":", "1:", "1:a", "a1:a", "a1:", "\0", "a/b", "11:"];
  const keys = new Set<string>();
  for (const tenant of parts) {
    for (const realm of parts) for (const subject of parts) keys.add(identityKey(tenant, { realm, subject }));
  }
  expect(keys.size).toBe(parts.length ** 3);
});
