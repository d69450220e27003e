import type { AccessToken, AccessTokens } from "../core/access/access-token.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import type { Clock } from "../core/ports/clock.ts";
import { type JsonObject, mergePatch } from "./merge-patch.ts";
import { type Page, pageOf } from "./page.ts";
import { type Caller, requireScope } from "./scope.ts";
import type { SessionAdmin } from "./session-admin.ts";
import {
  declarationOf,
  parseSubject,
  parseTokenDeclaration,
  type TokenDeclaration,
  unchangingOf,
} from "./token-declaration.ts";

export interface TokenAdminOptions {
  readonly tokens: AccessTokens;
  readonly sessions: SessionAdmin;
  readonly clock: Clock;
}

export type { AccessToken } from "../core/access/access-token.ts";

/** A token as it is shown: never with its key. */
export interface ShownToken extends AccessToken {
  readonly lastUsedAtMs: number | undefined;
}

/** What can be done with access tokens. Everything but `self` needs the scope `admin`, and stays in the caller's tenant. */
export class TokenAdmin {
  readonly #options: TokenAdminOptions;

  constructor(options: TokenAdminOptions) {
    this.#options = options;
  }

  /** @throws {AdminError} */
  async create(
    caller: Caller,
    declaration: TokenDeclaration,
  ): Promise<{ readonly token: ShownToken; readonly key: string }> {
    requireScope(caller, "admin");
    const { tenant } = caller;
    if (declaration.tenant !== undefined && declaration.tenant !== tenant) {
      throw new AdminError(
        "invalid",
        `tenant: other tenants than ${tenant}, the caller's own, are not available yet`,
      );
    }
    const subject = parseSubject(declaration.subject);
    const settings = parseTokenDeclaration(declaration);
    if ((settings.expiresAtMs ?? Infinity) <= this.#options.clock.nowMs()) {
      throw new AdminError("invalid", "expiresAt: is past");
    }
    const owner = { tenant, subject, mintedBy: caller.token?.id };
    const { token, key } = await settleInEngine(this.#options.tokens.create(owner, settings));
    return { token: this.#show(token), key };
  }

  /** @throws {AdminError} */
  list(caller: Caller, cursor: string | undefined, limit: number): Page<ShownToken> {
    requireScope(caller, "admin");
    const found = this.#options.tokens.list(caller.tenant, cursor, limit + 1);
    return pageOf(
      found.map((token) => this.#show(token)),
      limit,
    );
  }

  /** @throws {AdminError} */
  get(caller: Caller, id: string): ShownToken {
    requireScope(caller, "admin");
    return this.#show(this.#find(caller, id));
  }

  /** The caller's own token. @throws {AdminError} `not-found` where it shows a JWT */
  self(caller: Caller): ShownToken {
    if (!caller.token) throw new AdminError("not-found", "the credential is no access token");
    return this.#show(caller.token);
  }

  /**
   * Applies a JSON Merge Patch. Open sessions follow before this resolves.
   *
   * @throws {AdminError}
   */
  async update(caller: Caller, id: string, patch: JsonObject): Promise<ShownToken> {
    requireScope(caller, "admin");
    const token = this.#find(caller, id);
    const unchanging = unchangingOf(token);
    for (const [name, value] of Object.entries(unchanging)) {
      if (patch[name] !== undefined && patch[name] !== value)
        throw new AdminError("invalid", `${name}: never changes`);
    }
    const merged = mergePatch(declarationOf(token), patch) as JsonObject;
    const declaration = Object.fromEntries(
      Object.entries(merged).filter(([name]) => !Object.hasOwn(unchanging, name)),
    );
    const settings = parseTokenDeclaration(declaration);
    return this.#show(await settleInEngine(this.#options.tokens.update(token, settings)));
  }

  /**
   * Deletes the token and ends its connections; with `deleteSessions` the sessions made with it go, too.
   *
   * @throws {AdminError}
   */
  async delete(caller: Caller, id: string, deleteSessions: boolean): Promise<void> {
    requireScope(caller, "admin");
    const { tokens, sessions } = this.#options;
    const token = this.#find(caller, id);
    // Its sessions before and after: deleting ends some, and until then a client may have come.
    const before = deleteSessions ? sessions.ofToken(token) : [];
    await settleInEngine(tokens.delete(token));
    if (deleteSessions) await sessions.deleteAll([...before, ...sessions.ofToken(token)]);
  }

  #find(caller: Caller, id: string): AccessToken {
    const token = this.#options.tokens.get(id);
    if (token?.tenant !== caller.tenant)
      throw new AdminError("not-found", "there is no token with this id");
    return token;
  }

  /** Member by member, so that nothing that the store keeps besides can slip out. */
  #show(token: AccessToken): ShownToken {
    const { id, name, subject, tenant, acl, ttlS, expiresAtMs, enabled, scopes } = token;
    const { clientIds, origins, networks, metadata, mintedBy, createdAtMs } = token;
    const settings = {
      name,
      acl,
      ttlS,
      expiresAtMs,
      enabled,
      scopes,
      clientIds,
      origins,
      networks,
      metadata,
    };
    const lastUsedAtMs = this.#options.tokens.lastUsedAtMs(token);
    return { id, subject, tenant, mintedBy, createdAtMs, lastUsedAtMs, ...settings };
  }
}
