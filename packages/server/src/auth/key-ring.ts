import { createHash } from "node:crypto";
import { type CryptoKey, importJWK } from "jose";
import type { JwtAlgorithm, PublicJwk } from "../core/access/oauth-provider.ts";

/** A key that signatures are checked with. */
export interface VerificationKey {
  /** Says which key it is, whatever an issuer calls it. */
  readonly thumbprint: string;
  readonly kid: string | undefined;
  /** Rejects where the key does not fit. */
  importFor(algorithm: JwtAlgorithm): Promise<CryptoKey | Uint8Array>;
}

/** More of them are no JWKS of an issuer's. */
const MAX_KEYS = 100;
const MIN_RSA_CHARACTERS = Math.floor((2_048 / 8) * (4 / 3));

/** By algorithm: what the key must be. */
const FITTING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RS: { kty: "RSA" },
  PS: { kty: "RSA" },
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
};
/** What makes up a public key (RFC 7638 §3.2, RFC 8037 §2). */
const PUBLIC_MEMBERS = ["crv", "e", "kty", "n", "x", "y"] as const;

/** The keys of one issuer, found by what a JWT says of its own. */
export class KeyRing {
  readonly #keys: readonly PublicKey[];
  /** Asked for every session after a change. */
  readonly #thumbprints: ReadonlySet<string>;

  constructor(keys: readonly PublicKey[]) {
    this.#keys = keys;
    this.#thumbprints = new Set(keys.map(({ thumbprint }) => thumbprint));
  }

  get keys(): readonly PublicKey[] {
    return this.#keys;
  }

  /** The key of that name; without a name the only one that fits the algorithm. */
  find(kid: string | undefined, algorithm: JwtAlgorithm): VerificationKey | undefined {
    const fitting = this.#keys.filter((key) => (kid === undefined || key.kid === kid) && key.fits(algorithm));
    return kid === undefined && fitting.length > 1 ? undefined : fitting[0];
  }

  has(thumbprint: string): boolean {
    return this.#thumbprints.has(thumbprint);
  }

  hasName(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid);
  }
}

export class PublicKey implements VerificationKey {
  readonly thumbprint: string;
  readonly kid: string | undefined;
  readonly #jwk: PublicJwk;
  readonly #alg: string | undefined;
  readonly #imported = new Map<JwtAlgorithm, Promise<CryptoKey | Uint8Array>>();

  constructor(jwk: PublicJwk) {
    this.#jwk = Object.fromEntries(
      PUBLIC_MEMBERS.flatMap((name) => (jwk[name] === undefined ? [] : [[name, jwk[name]]])),
    ) as unknown as PublicJwk;
    this.thumbprint = createHash("sha256").update(JSON.stringify(this.#jwk)).digest("base64url");
    this.kid = typeof jwk.kid === "string" ? jwk.kid : undefined;
    this.#alg = jwk.alg;
  }

  /** A key that names an algorithm is for no other (RFC 8725 §3.1). */
  fits(algorithm: JwtAlgorithm): boolean {
    if (this.#alg !== undefined && !isSameAlgorithm(this.#alg, algorithm)) return false;
    const needed = FITTING[algorithm] ?? FITTING[algorithm.slice(0, 2)];
    return needed !== undefined && Object.entries(needed).every(([name, value]) => this.#jwk[name] === value);
  }

  importFor(algorithm: JwtAlgorithm): Promise<CryptoKey | Uint8Array> {
    let imported = this.#imported.get(algorithm);
    if (!imported) {
      imported = importJWK(this.#jwk as Record<string, string>, algorithm);
      this.#imported.set(algorithm, imported);
    }
    return imported;
  }
}

/** The secret of HS256, HS384, HS512. */
export class SecretKey implements VerificationKey {
  readonly thumbprint: string;
  readonly kid: undefined;
  readonly #secret: Uint8Array;

  constructor(base64url: string) {
    this.#secret = Buffer.from(base64url, "base64url");
    this.thumbprint = createHash("sha256").update("hmac ").update(this.#secret).digest("base64url");
  }

  importFor(): Promise<Uint8Array> {
    return Promise.resolve(this.#secret);
  }
}

/**
 * The keys of a JWKS that may check signatures; what is no such key is left out: secrets, keys for encryption, keys
 * that are too short, private keys.
 *
 * @throws {Error} if it is no JWKS, or has too many keys
 */
export function parseJwks(document: unknown): PublicKey[] {
  const { keys } = (document ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("the document has no list of keys");
  if (keys.length > MAX_KEYS) throw new Error(`the document has more than ${MAX_KEYS} keys`);
  return keys.filter(isUsable).map((key) => new PublicKey(key));
}

function isUsable(key: unknown): key is PublicJwk {
  if (typeof key !== "object" || key === null) return false;
  const { kty, use, key_ops: operations, d, n } = key as Record<string, unknown>;
  if (kty !== "RSA" && kty !== "EC" && kty !== "OKP") return false;
  if (d !== undefined || (use !== undefined && use !== "sig")) return false;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return false;
  return kty !== "RSA" || (typeof n === "string" && n.length >= MIN_RSA_CHARACTERS);
}

function isSameAlgorithm(a: string, b: string): boolean {
  const name = (algorithm: string): string => (algorithm === "Ed25519" ? "EdDSA" : algorithm);
  return name(a) === name(b);
}
