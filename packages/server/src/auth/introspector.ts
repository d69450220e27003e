import { createHash } from "node:crypto";
import type { Introspection } from "../core/access/oauth-provider.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { type BoundedRequest, FetchError } from "./bounded-fetch.ts";
import { type Claims, isFor, type OAuthRefusal, readClaims } from "./oauth-claims.ts";
import type { OAuthCredential } from "./oauth-credential.ts";
import type { KnownProvider } from "./provider-directory.ts";

export interface IntrospectorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetchJson: (request: BoundedRequest) => Promise<unknown>;
}

interface Answer {
  readonly outcome: OAuthCredential | OAuthRefusal;
  readonly untilMs: number;
}

const MAX_ANSWER_BYTES = 65_536;
const MAX_TOKEN_BYTES = 4_096;
const MAX_REMEMBERED = 20_000;
/** Asked at one time, all providers together. Who comes when so many are waited for is not let in. */
const MAX_PARALLEL = 64;

/**
 * Asks issuers about their opaque tokens (RFC 7662). An answer counts for a bounded time; the same token is asked about
 * once at a time.
 */
export class Introspector {
  readonly #options: IntrospectorOptions;
  /** By SHA-256 of the token; the oldest first. */
  readonly #answers = new Map<string, Answer>();
  readonly #asking = new Map<string, Promise<OAuthCredential | OAuthRefusal>>();

  constructor(options: IntrospectorOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async introspect(token: string, provider: KnownProvider): Promise<OAuthCredential | OAuthRefusal> {
    if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) return "introspection-inactive";
    const { id, version } = provider.object;
    const key = `${id} ${version} ${createHash("sha256").update(token).digest("base64")}`;
    const known = this.#answers.get(key);
    if (known && known.untilMs > this.#options.clock.nowMs()) return known.outcome;
    const asking = this.#asking.get(key);
    if (asking) return asking;
    if (this.#asking.size >= MAX_PARALLEL) return "introspection-unavailable";
    const asked = this.#ask(token, provider, key).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  async #ask(token: string, provider: KnownProvider, key: string): Promise<OAuthCredential | OAuthRefusal> {
    const introspection = provider.object.value.introspection as Introspection;
    try {
      const answer = await this.#options.fetchJson(requestFor(introspection, token));
      const nowMs = this.#options.clock.nowMs();
      const outcome = this.#read(provider, answer, nowMs);
      const endMs = typeof outcome === "string" ? Infinity : outcome.read.expiresAtMs;
      this.#remember(key, { outcome, untilMs: Math.min(nowMs + introspection.cacheS * 1_000, endMs) });
      return outcome;
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      const fields = { provider: provider.object.name, tenant: provider.tenant, problem: error.message };
      this.#options.logger.warn(fields, "an OAuth provider could not be asked about an opaque token");
      return "introspection-unavailable";
    }
  }

  #read(provider: KnownProvider, answer: unknown, nowMs: number): OAuthCredential | OAuthRefusal {
    if (typeof answer !== "object" || answer === null || Array.isArray(answer))
      return "introspection-inactive";
    const said = answer as Claims;
    if (said["active"] !== true) return "introspection-inactive";
    const { issuer, audience, maxLifetimeS } = provider.object.value;
    if (said["iss"] !== undefined && said["iss"] !== issuer) return "jwt-issuer";
    if (said["aud"] !== undefined && !isFor(audience, said["aud"])) return "jwt-audience";
    const nowS = Math.floor(nowMs / 1_000);
    // The issuer need not say them (RFC 7662 §2.2); a token without an end has to come again after its lifetime.
    const { iat = nowS, exp = nowS + maxLifetimeS } = said;
    const claims = { ...said, iat, exp };
    const read = readClaims(provider.object.value, claims, nowMs);
    return typeof read === "string" ? read : { provider, claims, read };
  }

  #remember(key: string, answer: Answer): void {
    this.#answers.delete(key);
    if (this.#answers.size >= MAX_REMEMBERED) {
      const [oldest = ""] = this.#answers.keys();
      this.#answers.delete(oldest);
    }
    this.#answers.set(key, answer);
  }
}

/** Client id and secret are encoded before they are joined (RFC 6749 §2.3.1). */
function requestFor(
  { endpoint, clientId, clientSecret, timeoutS }: Introspection,
  token: string,
): BoundedRequest {
  const encoded = [clientId, clientSecret].map((text) => encodeURIComponent(text)).join(":");
  return {
    url: endpoint,
    timeoutMs: timeoutS * 1_000,
    maxBytes: MAX_ANSWER_BYTES,
    form: new URLSearchParams({ token, token_type_hint: "access_token" }),
    authorization: `Basic ${Buffer.from(encoded).toString("base64")}`,
  };
}
