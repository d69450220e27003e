import type { OAuthProvider } from "../core/access/oauth-provider.ts";
import type { Revocation, RevocationSelector } from "../core/access/revocation.ts";
import type { NamedObjects } from "../core/objects/named-objects.ts";
import type { Clock } from "../core/ports/clock.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import { parseTime } from "./rfc3339-time.ts";
import { type Caller, requireScope } from "./scope.ts";

/** A revocation as REST gives it. The types of the members were checked; what they say was not. */
export interface RevocationDeclaration {
  readonly realm: string;
  readonly subject?: string;
  readonly jti?: string;
  readonly kid?: string;
  readonly claim?: { readonly path: string; readonly value: string | number | boolean };
  /** RFC 3339. */
  readonly notBefore?: string;
}

export interface RevocationAdminOptions {
  readonly revocations: { add(tenant: string, revocation: Revocation): Promise<void> };
  readonly providers: Pick<NamedObjects<OAuthProvider>, "list">;
  readonly clock: Clock;
}

/** Ends what OAuth providers have issued, before it expires by itself; needs the scope `sessions`. */
export class RevocationAdmin {
  readonly #options: RevocationAdminOptions;

  constructor(options: RevocationAdminOptions) {
    this.#options = options;
  }

  /**
   * Resolves when it is durable: sessions concerned begin to end, and nobody comes back with such a JWT.
   *
   * @throws {AdminError} `invalid` for a realm of no provider, or without exactly one selector
   */
  async revoke(caller: Caller, declaration: RevocationDeclaration): Promise<Revocation> {
    requireScope(caller, "sessions");
    const { realm } = declaration;
    const selector = parseSelector(declaration);
    const notBeforeMs = this.#notBeforeMs(declaration.notBefore);
    const untilMs = notBeforeMs + 1_000 * this.#maxLifetimeS(caller.tenant, realm);
    const revocation = { realm, selector, notBeforeMs, untilMs };
    await settleInEngine(this.#options.revocations.add(caller.tenant, revocation));
    return revocation;
  }

  #notBeforeMs(text: string | undefined): number {
    const nowMs = this.#options.clock.nowMs();
    if (text === undefined) return nowMs;
    const timeMs = parseTime(text);
    if (timeMs === undefined)
      throw invalid("notBefore", "must be an RFC 3339 time such as 2030-01-31T12:00:00Z");
    if (timeMs > nowMs)
      throw invalid("notBefore", "is in the future: it would end JWTs that are not issued yet");
    return timeMs;
  }

  /** So long after their time of issue the last of them is over. */
  #maxLifetimeS(tenant: string, realm: string): number {
    const ofRealm = this.#options.providers
      .list(tenant, undefined, Infinity)
      .filter(({ id, value }) => (value.realm ?? id) === realm);
    if (ofRealm.length > 0) return Math.max(...ofRealm.map(({ value }) => value.maxLifetimeS));
    throw invalid("realm", "is that of no OAuth provider; access tokens are disabled or deleted instead");
  }
}

function parseSelector({ subject, jti, kid, claim }: RevocationDeclaration): RevocationSelector {
  const selectors: (RevocationSelector | undefined)[] = [
    subject === undefined ? undefined : { kind: "subject", value: subject },
    jti === undefined ? undefined : { kind: "jti", value: jti },
    kid === undefined ? undefined : { kind: "kid", value: kid },
    claim && { kind: "claim", ...claim },
  ];
  const [selector, ...others] = selectors.filter((one) => one !== undefined);
  if (selector && others.length === 0) return selector;
  throw new AdminError("invalid", "say exactly one of subject, jti, kid and claim");
}

function invalid(member: string, problem: string): AdminError {
  return new AdminError("invalid", `${member}: ${problem}`);
}
