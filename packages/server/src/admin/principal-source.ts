import type { Principal } from "../core/access/principal.ts";
import { AdminError } from "./admin-error.ts";

/** Somebody whose credential is not at hand: the holder of an access token, or whoever has these claims. */
export interface AbsentHolder {
  /** The id of an access token. */
  readonly token?: string;
  /** The name of an OAuth provider, with the claims of a JWT that it could have issued. */
  readonly provider?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export interface PrincipalSourceOptions {
  /** Undefined: there is no such token, it has ended, or it may not use the client id. */
  ofToken(tenant: string, tokenId: string, clientId: string): Principal | undefined;
  /** Throws an error that says what is wrong with the claims; undefined: there is no such provider. */
  ofClaims(
    tenant: string,
    provider: string,
    claims: Readonly<Record<string, unknown>>,
    clientId: string,
  ): Principal | undefined;
}

/** Tells what somebody may do without their credential being shown. */
export class PrincipalSource {
  readonly #options: PrincipalSourceOptions;

  constructor(options: PrincipalSourceOptions) {
    this.#options = options;
  }

  /**
   * The principal that a connection with this client id would have now. Once a session has it, live changes of the
   * credential reach it.
   *
   * @throws {AdminError} `not-found` without such a token or provider, `invalid` where claims would not be accepted
   */
  principalOf(tenant: string, holder: AbsentHolder, clientId: string): Principal {
    const { token, provider, claims } = holder;
    if ((token === undefined) === (claims === undefined))
      throw new AdminError("invalid", "say for whom: a token, or a provider and claims");
    if (token !== undefined) return found(this.#options.ofToken(tenant, token, clientId), "token");
    if (provider === undefined || claims === undefined)
      throw new AdminError("invalid", "provider: say whose claims these are");
    return found(this.#ofClaims(tenant, provider, claims, clientId), "provider");
  }

  #ofClaims(
    tenant: string,
    provider: string,
    claims: Readonly<Record<string, unknown>>,
    clientId: string,
  ): Principal | undefined {
    try {
      return this.#options.ofClaims(tenant, provider, claims, clientId);
    } catch (error) {
      throw new AdminError("invalid", `claims: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function found(principal: Principal | undefined, what: string): Principal {
  if (principal) return principal;
  throw new AdminError("not-found", `there is no ${what} of this name that may be used with this client id`);
}
