/**
 * What it costs to let somebody in: an access token, a JWT seen before, and JWTs that are new, one at a time.
 *
 *   node --conditions=@weir/source bench/jwt.ts
 */
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { bench, do_not_optimize, run, summary } from "mitata";
import { emptySettings } from "../packages/server/src/core/access/access-token.ts";
import type { OAuthProvider } from "../packages/server/src/core/access/oauth-provider.ts";
import { LoginFailures } from "../packages/server/src/auth/login-failures.ts";
import { TicketStore } from "../packages/server/src/auth/ticket-store.ts";
import { TokenAccess } from "../packages/server/src/auth/token-access.ts";
import { SystemClock } from "../packages/server/src/clock/system-clock.ts";
import { openMemoryEngine } from "../packages/server/src/engine/memory/memory-engine.ts";
import { onlyDefault } from "../packages/server/testing/only-default.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
/** More than are asked about before one comes again and is known. */
const NEW_JWTS = 30_000;
const TENANT = "default";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const clock = new SystemClock();
const engine = openMemoryEngine({ clock });
const access = new TokenAccess({
  kv: (bucket) => engine.kv(bucket),
  clock,
  logger: silent,
  tenants: onlyDefault,
  anonymous: undefined,
  tickets: new TicketStore({ clock, maxTickets: 1, exceeded: () => {} }),
  failures: new LoginFailures({ clock, freeFailures: Infinity, slowed: () => {} }),
  sessions: () => ({ list: () => [], ofToken: () => [], ofPrincipal: () => undefined }),
});
await access.open("an admin token of at least 32 characters");
access.start();

async function letIn(password: string): Promise<void> {
  const outcome = await access.authenticator.authenticate({
    peer: { transport: "tcp", address: "127.0.0.1", port: 1 },
    clientId: "phone",
    username: undefined,
    password: Buffer.from(password),
    authenticationMethod: undefined,
    authenticationData: undefined,
  });
  if (outcome.kind === "refused") throw new Error(outcome.reason);
  do_not_optimize(outcome.principal);
}

const entries = [{ actions: ["publish", "subscribe"] as const, topic: "data/${claims.account}/#" }];
await access.objects.policies.put(TENANT, "user", { entries });
const owner = { tenant: TENANT, subject: "alice", mintedBy: undefined };
const acl = [{ actions: ["publish", "subscribe"] as const, topic: "data/${subject}/#" }];
const { key } = await access.store.create(owner, { ...emptySettings, acl });

/** Signs JWTs of an issuer that is known for this algorithm alone. */
async function openIssuer(algorithm: string): Promise<(jti: string) => Promise<string>> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm);
  const provider: OAuthProvider = {
    issuer: algorithm,
    audience: ["weir"],
    keys: { kind: "static", keys: [(await exportJWK(publicKey)) as never] },
    algorithms: [algorithm as "RS256"],
    clockSkewS: 30,
    subjectClaim: "sub",
    groupsClaim: "groups",
    groupsFormat: "array",
    clientIdClaim: undefined,
    requiredClaims: {},
    requiredScope: undefined,
    maxLifetimeS: 86_400,
    introspection: undefined,
    realm: undefined,
  };
  const group = { provider: algorithm, value: "users", policies: ["user"], limits: {}, scopes: [] };
  await access.objects.providers.put(TENANT, algorithm, provider);
  await access.objects.groups.put(TENANT, algorithm, group);
  return (jti) =>
    new SignJWT({ jti, groups: ["users"], account: "a1", name: "Alice", email: "alice@example.com" })
      .setProtectedHeader({ alg: algorithm })
      .setIssuer(algorithm)
      .setAudience("weir")
      .setSubject("alice")
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(privateKey);
}

const issuers = new Map<string, (jti: string) => Promise<string>>();
for (const algorithm of ALGORITHMS) issuers.set(algorithm, await openIssuer(algorithm));

summary(() => {
  bench("an access token", async () => letIn(key));
  bench("a JWT seen before", function* () {
    const jwt = issuers.get("ES256")!("known");
    yield async () => letIn(await jwt);
  });
});
await run();

// Signing takes longer than verifying, so these are made beforehand and taken once.
for (const [algorithm, sign] of issuers) {
  const count = algorithm === "RS256" ? NEW_JWTS / 10 : NEW_JWTS / 3;
  const jwts: string[] = [];
  for (let i = 0; i < count; i++) jwts.push(await sign(`${i}`));
  const before = performance.now();
  for (const jwt of jwts) await letIn(jwt);
  const eachUs = ((performance.now() - before) * 1_000) / count;
  process.stdout.write(`a new JWT with ${algorithm}: ${eachUs.toFixed(1)} µs, one after the other\n`);
}
await access.close();
await engine.close();
clock.close();
