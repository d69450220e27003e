import { createHash } from "node:crypto";
import { compactVerify } from "jose";
import type { Clock } from "../core/ports/clock.ts";
import { parseJwt, type UnverifiedJwt } from "./jwt-header.ts";
import { type OAuthRefusal, readClaims } from "./oauth-claims.ts";
import type { OAuthCredential } from "./oauth-credential.ts";
import type { KnownProvider, ProviderDirectory } from "./provider-directory.ts";
import type { VerificationKey } from "./key-ring.ts";

/** JWTs that were verified and are remembered: a client that comes again costs a hash. */
const MAX_REMEMBERED = 20_000;

/** Checks JWTs: whose they are, who signed them, what they claim (semantics.md §1.12). */
export class JwtVerifier {
  readonly #providers: ProviderDirectory;
  readonly #clock: Clock;
  /** By SHA-256 of the text; the oldest first. */
  readonly #remembered = new Map<string, OAuthCredential>();

  constructor(providers: ProviderDirectory, clock: Clock) {
    this.#providers = providers;
    this.#clock = clock;
  }

  /** Never rejects. Whether the credential was revoked is not looked at. */
  async verify(text: string): Promise<OAuthCredential | OAuthRefusal> {
    const hash = createHash("sha256").update(text).digest("base64");
    const remembered = this.#remembered.get(hash);
    if (remembered && this.#isStillGood(remembered)) return remembered;
    this.#remembered.delete(hash);
    const verified = await this.#verify(text);
    if (typeof verified !== "string") this.#remember(hash, verified);
    return verified;
  }

  /** Anything that changed since, and it is verified anew. */
  #isStillGood({ provider, read, signature }: OAuthCredential): boolean {
    const { tenant, object, keys } = provider;
    return (
      read.expiresAtMs > this.#clock.nowMs() &&
      this.#providers.get(tenant, object.name) === provider &&
      keys.stateOf(signature?.thumbprint, signature?.kid) === "current"
    );
  }

  #remember(hash: string, credential: OAuthCredential): void {
    if (this.#remembered.size >= MAX_REMEMBERED) {
      const [oldest = ""] = this.#remembered.keys();
      this.#remembered.delete(oldest);
    }
    this.#remembered.set(hash, credential);
  }

  async #verify(text: string): Promise<OAuthCredential | OAuthRefusal> {
    const jwt = parseJwt(text);
    if (typeof jwt === "string") return jwt;
    const provider = this.#providers.find(jwt.claims["iss"], jwt.claims["aud"]);
    if (typeof provider === "string") return provider;
    // Before any key is asked for: an unknown algorithm must not cost a fetch.
    if (!provider.object.value.algorithms.includes(jwt.algorithm)) return "jwt-algorithm";
    const read = readClaims(provider.object.value, jwt.claims, this.#clock.nowMs());
    if (typeof read === "string") return read;
    const key = await provider.keys.find(jwt.kid, jwt.algorithm);
    if (!key) return provider.keys.isUnavailable ? "jwt-keys-unavailable" : "jwt-key";
    if (!(await isSignedWith(jwt, key))) return "jwt-signature";
    return this.#isAsBefore(provider)
      ? {
          provider,
          claims: jwt.claims,
          read,
          signature: { algorithm: jwt.algorithm, thumbprint: key.thumbprint, kid: jwt.kid },
        }
      : "jwt-issuer";
  }

  /** While a key was waited for, the provider may have been changed. */
  #isAsBefore(provider: KnownProvider): boolean {
    return this.#providers.get(provider.tenant, provider.object.name) === provider;
  }
}

async function isSignedWith(jwt: UnverifiedJwt, key: VerificationKey): Promise<boolean> {
  try {
    await compactVerify(jwt.text, await key.importFor(jwt.algorithm), { algorithms: [jwt.algorithm] });
    return true;
  } catch {
    return false;
  }
}
