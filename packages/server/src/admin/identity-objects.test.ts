import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { AuthorizationGroup, NamedPolicy } from "../core/access/authorization-group.ts";
import type { Scope } from "../core/access/access-token.ts";
import type { OAuthProvider } from "../core/access/oauth-provider.ts";
import type { Principal } from "../core/access/principal.ts";
import type { NamedObject } from "../core/objects/named-objects.ts";
import { groupObjects } from "./group-objects.ts";
import { policyObjects } from "./policy-objects.ts";
import { providerObjects } from "./provider-objects.ts";
import type { Caller } from "./scope.ts";

const callerOf = (tenant = "default", ...scopes: Scope[]): Caller => ({
  scopes: scopes.length > 0 ? scopes : ["admin"],
  principal: { tenant } as Principal,
  tenant,
  address: "127.0.0.1",
});

function objectOf<T>(name: string, value: T): NamedObject<T> {
  return { name, id: `id-of-${name}`, value, version: 1, createdAtMs: 0, updatedAtMs: 0 };
}

const refusal = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });

function refusedBy(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    return error;
  }
}

describe("a provider", () => {
  const known = new Map<string, NamedObject<OAuthProvider>>();
  const kind = providerObjects({
    get: (tenant, name) => known.get(`${tenant}/${name}`),
    *all() {
      for (const [key, object] of known) yield { tenant: key.slice(0, key.indexOf("/")), object };
    },
  });
  const base = { issuer: "https://issuer", audience: ["weir"] };
  const jwk = { ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }) };
  const hmacKey = "k".repeat(43);

  it("has defaults that are safe", () => {
    expect(kind.parse({ ...base, jwksUri: "https://issuer/jwks" }, "p", callerOf())).toMatchObject({
      keys: { kind: "jwks", uri: "https://issuer/jwks", refreshIntervalS: 300 },
      algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
      clockSkewS: 30,
      maxLifetimeS: 86_400,
      subjectClaim: "sub",
      groupsFormat: "array",
    });
    expect(kind.parse({ ...base, hmacKey }, "p", callerOf())).toMatchObject({ algorithms: ["HS256"] });
  });

  it.each([
    [{}, /^jwksUri: give one of/],
    [{ jwksUri: "https://issuer/jwks", hmacKey }, /never both/],
    [{ jwksUri: "http://issuer/jwks" }, /^jwksUri: must be https/],
    [{ jwksUri: "http://127.0.0.1.example.com/jwks" }, /must be https/],
    [{ jwksUri: "https://user:pass@issuer/jwks" }, /without credentials/],
    [{ jwksUri: "file:///etc/passwd" }, /must be https/],
    [{ keys: [jwk], refreshInterval: 60 }, /^refreshInterval: needs a jwksUri/],
    [{ keys: [{ ...jwk, d: "x" }] }, /^keys\[0\]\.d: belongs to a private key/],
    [{ keys: [{ kty: "oct", k: "x" }] }, /^keys\[0\]\.k/],
    [{ keys: [{ kty: "RSA", n: "AQAB", e: "AQAB" }] }, /^keys\[0\]/],
    [{ hmacKey: "short" }, /^hmacKey: must be at least 32 bytes/],
    [{ hmacKey: `${hmacKey}==` }, /^hmacKey/],
    [{ keys: [jwk], algorithms: ["HS256"] }, /^algorithms: holds "HS256"; with public keys/],
    [{ hmacKey, algorithms: ["RS256"] }, /^algorithms: holds "RS256"; with hmacKey/],
    [{ keys: [jwk], algorithms: ["none"] }, /^algorithms: holds "none"/],
    [{ keys: [jwk], realm: "token" }, /^realm: token is the broker's own/],
    [{ keys: [jwk], requiredScope: "a b" }, /^requiredScope/],
    [{ introspection: { endpoint: "https://i", clientId: "c" } }, /^introspection.clientSecret: is needed/],
  ])("is refused with %j", (more, message) => {
    expect(refusedBy(() => kind.parse({ ...base, ...more }, "p", callerOf()))).toEqual(
      refusal("invalid", message),
    );
  });

  it("takes http on loopback for keys", () => {
    for (const host of ["localhost", "127.0.0.1", "[::1]"])
      kind.parse({ ...base, jwksUri: `http://${host}:8080/jwks` }, "p", callerOf());
  });

  it("is refused where another one of any tenant takes the same JWTs or opaque tokens", () => {
    const introspection = { endpoint: "https://i", clientId: "c", clientSecret: "s", prefix: "abc_" };
    known.set("other/q", objectOf("q", kind.parse({ ...base, introspection }, "q", callerOf("other"))));
    expect(refusedBy(() => kind.parse({ ...base, hmacKey }, "q", callerOf()))).toEqual(
      refusal("conflict", /^audience: another provider/),
    );
    const elsewhere = { ...base, audience: ["x"], introspection: { ...introspection, prefix: "ab" } };
    expect(refusedBy(() => kind.parse(elsewhere, "q", callerOf()))).toEqual(
      refusal("conflict", /^introspection.prefix/),
    );
    kind.parse({ ...base, introspection: { ...introspection, prefix: "abcd" } }, "q", callerOf("other"));
    known.clear();
  });

  it("without a prefix introspects in the tenant default alone: elsewhere it would see others' tokens", () => {
    const body = { ...base, introspection: { endpoint: "https://i", clientId: "c", clientSecret: "s" } };
    kind.parse(body, "p", callerOf());
    expect(refusedBy(() => kind.parse(body, "p", callerOf("other")))).toEqual(
      refusal("invalid", /^introspection.prefix: is needed/),
    );
  });

  it("keeps secrets that are left out, but shows them to no other endpoint, and never over REST", () => {
    const introspection = { endpoint: "https://i", clientId: "c", clientSecret: "hidden" };
    const value = kind.parse({ ...base, hmacKey, introspection }, "p", callerOf());
    known.set("default/p", objectOf("p", value));
    const { clientSecret: _, ...open } = introspection;
    expect(kind.parse({ ...base, introspection: open }, "p", callerOf())).toEqual(value);
    const moved = { ...base, introspection: { ...open, endpoint: "https://evil" } };
    expect(refusedBy(() => kind.parse(moved, "p", callerOf()))).toEqual(refusal("invalid", /clientSecret/));
    const shown = JSON.stringify(kind.present(objectOf("p", value)));
    expect(shown).toContain('"hasHmacKey":true');
    expect(shown).not.toMatch(/hidden|kkkk/);
    known.clear();
  });
});

describe("a group", () => {
  const provider = { clientIdClaim: undefined } as OAuthProvider;
  const bound = { clientIdClaim: "device" } as OAuthProvider;
  const policies: Record<string, NamedPolicy> = {
    plain: { entries: [{ actions: ["subscribe"], topic: "data/${subject}" }] },
    device: { entries: [{ actions: ["subscribe"], topic: "data/${clientId}" }] },
  };
  const kind = groupObjects({
    policyOf: (_tenant, name) => policies[name] && objectOf(name, policies[name]),
    providerOf: (_tenant, name) =>
      ({ free: objectOf("free", provider), bound: objectOf("bound", bound) })[name],
  });

  it("maps a claim's value to policies, limits and scopes", () => {
    const body = {
      provider: "bound",
      value: "v",
      policies: ["plain", "device"],
      limits: { connections: 2, sessionExpiry: 60 },
      scopes: ["messages"],
    };
    const group: AuthorizationGroup = kind.parse(body, "g", callerOf());
    expect(group.limits).toEqual({ connections: 2, sessionExpiryS: 60 });
    expect(kind.present(objectOf("g", group))).toEqual(body);
  });

  it.each([
    [{ provider: "unknown" }, "invalid", /^provider: there is no provider unknown/],
    [{ policies: ["gone"] }, "invalid", /^policies\[0\]: there is no policy gone/],
    [{ policies: ["device"] }, "invalid", /^policies\[0\]: device uses \$\{clientId\}/],
    [{ scopes: ["metrics"] }, "scope", /metrics/],
    [{ scopes: ["policies"] }, "scope", /policies/],
  ])("is refused with %j", (more, code, message) => {
    const caller = callerOf("default", "policies");
    const body = { provider: "free", value: "v", ...more };
    expect(refusedBy(() => kind.parse(body, "g", caller))).toEqual(refusal(code, message));
  });
});

describe("a policy", () => {
  const kind = policyObjects((_tenant, policy) => (policy === "shared" ? "the token t1" : undefined));
  const entries = [{ actions: ["subscribe"], topic: "data/${clientId}/#" }];

  it("may use ${clientId} where nobody holds it whose client chooses its client id (semantics.md §1.1)", () => {
    expect(kind.parse({ entries }, "own", callerOf())).toEqual({ entries });
    expect(refusedBy(() => kind.parse({ entries }, "shared", callerOf()))).toEqual(
      refusal("invalid", /the token t1/),
    );
  });

  it("is refused with an entry that is none", () => {
    expect(refusedBy(() => kind.parse({ entries: [{ topic: "a" }] }, "p", callerOf()))).toEqual(
      refusal("invalid", /^entries\[0\]\.actions/),
    );
  });
});
