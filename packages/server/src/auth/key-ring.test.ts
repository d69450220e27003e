import { beforeAll, describe, expect, it } from "vitest";
import { newKey, type SigningKey } from "../../testing/test-issuer.ts";
import { KeyRing, parseJwks } from "./key-ring.ts";

let rsa: SigningKey;
let ec: SigningKey;
let ed: SigningKey;

beforeAll(async () => {
  [rsa, ec, ed] = await Promise.all([newKey("RS256", "r"), newKey("ES256", "e"), newKey("EdDSA", "d")]);
});

const ringOf = (...keys: object[]): KeyRing => new KeyRing(parseJwks({ keys }));

describe("parseJwks()", () => {
  it("leaves out what may check no signature: secrets, keys for encryption, private and short ones, nonsense", () => {
    const { publicJwk } = rsa;
    const ring = ringOf(
      { kty: "oct", k: "c2VjcmV0", kid: "r" },
      { ...publicJwk, use: "enc" },
      { ...publicJwk, use: undefined, key_ops: ["encrypt"] },
      { ...publicJwk, d: "private" },
      { ...publicJwk, n: publicJwk.n?.slice(0, 170) },
      null as never,
      "key" as never,
      { kty: "OKP", crv: "X25519", x: "AAAA", kid: "r" },
    );
    for (const algorithm of ["RS256", "HS256", "EdDSA", "ES256"] as const)
      expect(ring.find("r", algorithm)).toBeUndefined();
  });

  it.each([
    [undefined],
    [null],
    [[]],
    [{}],
    [{ keys: {} }],
    [{ keys: Array.from({ length: 101 }, () => ({})) }],
  ])("throws for %j", (document) => expect(() => parseJwks(document)).toThrow());
});

describe("KeyRing", () => {
  it("finds a key by its name if it fits the algorithm, and the algorithm that it names itself", () => {
    const ring = ringOf(
      rsa.publicJwk,
      { ...ec.publicJwk, alg: "ES256" },
      { ...ed.publicJwk, alg: "Ed25519" },
    );
    expect(ring.find("r", "PS512")?.kid).toBe("r");
    expect(ring.find("r", "ES256")).toBeUndefined();
    expect(ring.find("e", "ES256")?.kid).toBe("e");
    expect(ring.find("e", "ES384")).toBeUndefined();
    expect(ring.find("d", "EdDSA")?.kid).toBe("d");
    expect(ringOf({ ...rsa.publicJwk, alg: "RS512" }).find("r", "RS256")).toBeUndefined();
    expect(ring.find("r", "HS256")).toBeUndefined();
    expect(ring.find("r", "none" as never)).toBeUndefined();
    expect(ring.find("__proto__", "RS256")).toBeUndefined();
  });

  it("without a name finds the only key that fits, and none where several do", async () => {
    expect(ringOf(rsa.publicJwk, ec.publicJwk).find(undefined, "RS256")?.kid).toBe("r");
    const other = await newKey("ES256", "e2");
    expect(ringOf(ec.publicJwk, other.publicJwk).find(undefined, "ES256")).toBeUndefined();
  });

  it("knows a key by what it is, whatever it is called", () => {
    const [before] = ringOf(rsa.publicJwk).keys;
    const renamed = ringOf({ ...rsa.publicJwk, kid: "renamed" });
    expect(renamed.has(before?.thumbprint ?? "")).toBe(true);
    expect(renamed.hasName("r")).toBe(false);
    expect(ringOf({ ...ec.publicJwk, kid: "r" }).has(before?.thumbprint ?? "")).toBe(false);
  });
});
