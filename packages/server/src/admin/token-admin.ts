import {
  type AccessToken,
  type AccessTokens,
  type AccessTokenSettings,
  bindsClientId,
  type Scope,
  settingsOf,
} from "../core/access/access-token.ts";
import type { NamedPolicy } from "../core/access/authorization-group.ts";
import { usesClientId } from "../core/access/template.ts";
import type { NamedObjects } from "../core/objects/named-objects.ts";
import type { Clock } from "../core/ports/clock.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import { type JsonObject, mergePatch } from "./merge-patch.ts";
import { boundToTemplate } from "./minted-settings.ts";
import { type Page, pageOf } from "./page.ts";
import { type Caller, hasScope } from "./scope.ts";
import type { SessionAdmin } from "./session-admin.ts";
import {
  declarationOf,
  parseSubject,
  parseTokenDeclaration,
  type TokenDeclaration,
  unchangingOf,
} from "./token-declaration.ts";
import { TokenMinter } from "./token-minter.ts";
import { reachesToken, reachOf, type TokenReach } from "./token-reach.ts";

export interface TokenAdminOptions {
  readonly tokens: AccessTokens;
  readonly sessions: Pick<SessionAdmin, "ofToken" | "deleteAll">;
  readonly clock: Clock;
  readonly policies: Pick<NamedObjects<NamedPolicy>, "get">;
  /** What people call the tenant of that id. */
  readonly tenantName: (id: string) => string;
}

export type { AccessToken } from "../core/access/access-token.ts";

/** A token as it is shown: never with its key. */
export interface ShownToken extends AccessToken {
  readonly lastUsedAtMs: number | undefined;
}

export interface TokenDeletion {
  /** The sessions made with it go, too. */
  readonly deletesSessions: boolean;
  /** What it made goes on, under its template as it is now. */
  readonly keepsMinted: boolean;
}

/** Scopes that are power over every topic, or over other tenants. */
const GIVEN_BY_ADMIN: readonly Scope[] = ["admin", "tokens", "policies", "providers"];

/**
 * What can be done with access tokens. Everything but `self` needs the scope `tokens`, and stays in the caller's tenant;
 * or a minting token, and stays among those that it made (semantics.md §1.11).
 */
export class TokenAdmin {
  readonly #options: TokenAdminOptions;
  readonly #minter: TokenMinter;

  constructor(options: TokenAdminOptions) {
    this.#options = options;
    this.#minter = new TokenMinter(options.tokens);
  }

  /** @throws {AdminError} */
  async create(
    caller: Caller,
    declaration: TokenDeclaration,
  ): Promise<{ readonly token: ShownToken; readonly key: string }> {
    const reach = reachOf(caller, "tokens");
    const { tenant } = caller;
    const tenantName = this.#options.tenantName(tenant);
    if (declaration.tenant !== undefined && declaration.tenant !== tenantName)
      throw new AdminError(
        "invalid",
        `tenant: is ${tenantName}, the caller's own, unless ?tenant= names another`,
      );
    const subject = parseSubject(declaration.subject);
    const settings = await this.#withPassword(
      caller,
      this.#settingsFor(caller, reach, declaration, subject),
      declaration.password,
    );
    if ((settings.expiresAtMs ?? Infinity) <= this.#options.clock.nowMs())
      throw new AdminError("invalid", "expiresAt: is past");
    const owner = { tenant, subject, mintedBy: caller.token?.id };
    const made =
      reach.kind === "tenant" || subject === undefined
        ? this.#options.tokens.create(owner, settings)
        : this.#minter.make(reach, { ...owner, subject }, settings);
    const { token, key } = await settleInEngine(made);
    return { token: this.#show(token), key };
  }

  /** @throws {AdminError} */
  list(caller: Caller, cursor: string | undefined, limit: number): Page<ShownToken> {
    const reach = reachOf(caller, "tokens");
    const isWanted = (token: AccessToken): boolean => reachesToken(reach, token);
    const found = this.#options.tokens.list(caller.tenant, cursor, limit + 1, isWanted);
    return pageOf(
      found.map((token) => this.#show(token)),
      limit,
    );
  }

  /** @throws {AdminError} */
  get(caller: Caller, id: string): ShownToken {
    return this.#show(this.#find(caller, reachOf(caller, "tokens"), id));
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
    const reach = reachOf(caller, "tokens");
    const token = this.#find(caller, reach, id);
    requirePower(caller, token);
    const unchanging = unchangingOf(this.#show(token));
    for (const [name, value] of Object.entries(unchanging)) {
      if (patch[name] !== undefined && patch[name] !== value)
        throw new AdminError("invalid", `${name}: never changes`);
    }
    const merged = mergePatch(declarationOf(token), patch) as JsonObject;
    const declaration = Object.fromEntries(
      Object.entries(merged).filter(([name]) => !Object.hasOwn(unchanging, name)),
    );
    const settings = await this.#withPassword(
      caller,
      this.#settingsFor(caller, reach, declaration, token.subject, token),
      (declaration as TokenDeclaration).password,
      token,
    );
    return this.#show(await settleInEngine(this.#options.tokens.update(token, settings)));
  }

  /**
   * Deletes the token, and what it made unless that is to be kept; their connections end.
   *
   * @throws {AdminError}
   */
  async delete(caller: Caller, id: string, { deletesSessions, keepsMinted }: TokenDeletion): Promise<void> {
    const { tokens, sessions } = this.#options;
    const token = this.#find(caller, reachOf(caller, "tokens"), id);
    requirePower(caller, token);
    const minted = [...tokens.mintedBy(id)];
    if (keepsMinted) await this.#keep(token, minted);
    const gone = keepsMinted ? [token] : [token, ...minted];
    // Their sessions before and after: deleting ends some, and until then a client may have come.
    const ofGone = () => (deletesSessions ? gone.flatMap((one) => sessions.ofToken(one)) : []);
    const before = ofGone();
    await settleInEngine(tokens.delete(token));
    await sessions.deleteAll([...before, ...ofGone()]);
  }

  async #keep({ mint }: AccessToken, minted: readonly AccessToken[]): Promise<void> {
    if (!mint) return;
    for (const one of minted) await settleInEngine(this.#options.tokens.keepUnder(one, mint));
  }

  #settingsFor(
    caller: Caller,
    reach: TokenReach,
    declaration: TokenDeclaration,
    subject: string | undefined,
    before?: AccessToken,
  ): AccessTokenSettings {
    const settings = parseTokenDeclaration(declaration);
    this.#requirePolicies(caller.tenant, settings, before);
    if (reach.kind === "tenant") {
      requireGivable(caller, settings, before);
      if (before) requireNoPower(before, settings);
      return settings;
    }
    if (subject === undefined)
      throw new AdminError("invalid", "subject: a minting token says whom it makes the token for");
    return boundToTemplate(reach.template, subject, settings, this.#options.clock.nowMs());
  }

  /** A token that names what is not there may do nothing, and nobody would see why; what has gone since may stay. */
  #requirePolicies(
    tenant: string,
    { policies, clientIds }: AccessTokenSettings,
    before: AccessToken | undefined,
  ): void {
    for (const [i, name] of policies.entries()) {
      const policy = this.#options.policies.get(tenant, name);
      if (!policy && before?.policies.includes(name)) continue;
      if (!policy) throw new AdminError("invalid", `policies[${i}]: there is no policy ${name}`);
      if (usesClientId(policy.value.entries) && !bindsClientId(clientIds))
        throw new AdminError(
          "invalid",
          `policies[${i}]: ${name} uses \${clientId}, so clientIds must say which client ids the token may connect with`,
        );
    }
  }

  /** A user name needs a password, of this declaration or of before; in its tenant nobody else has it. */
  async #withPassword(
    { tenant }: Caller,
    settings: AccessTokenSettings,
    password: string | undefined,
    before?: AccessToken,
  ): Promise<AccessTokenSettings> {
    const { username } = settings;
    const { tokens } = this.#options;
    if (username === undefined) {
      if (password !== undefined) throw new AdminError("invalid", "password: needs a username");
      return settings;
    }
    for (const other of tokens.ofUsername(username)) {
      if (other.tenant === tenant && other.id !== before?.id)
        throw new AdminError("conflict", "username: another token has it");
    }
    const known = before?.username === username ? before.passwordVerifier : undefined;
    const passwordVerifier = password === undefined ? known : await tokens.verifierOf(password);
    if (passwordVerifier === undefined)
      throw new AdminError("invalid", "password: is needed with a username");
    return { ...settings, passwordVerifier };
  }

  #find(caller: Caller, reach: TokenReach, id: string): AccessToken {
    const token = this.#options.tokens.get(id);
    if (token?.tenant !== caller.tenant || !reachesToken(reach, token))
      throw new AdminError("not-found", "there is no token with this id");
    return token;
  }

  /** Member by member, so that nothing that the store keeps besides can slip out. */
  #show(token: AccessToken): ShownToken {
    const { id, subject, mintedBy, origin, createdAtMs } = token;
    const { tokens, tenantName } = this.#options;
    const tenant = tenantName(token.tenant);
    const lastUsedAtMs = tokens.lastUsedAtMs(token);
    return {
      id,
      subject,
      tenant,
      mintedBy,
      origin,
      createdAtMs,
      lastUsedAtMs,
      ...settingsOf(token),
      passwordVerifier: undefined,
    };
  }
}

/** Nobody gives a scope that they lack, and only an admin says that a token never ends. */
function requireGivable(
  caller: Caller,
  { scopes, ttlS, expiresAtMs }: AccessTokenSettings,
  before?: AccessToken,
): void {
  const lacking = scopes.find(
    (scope) => !hasScope(caller, scope) || (GIVEN_BY_ADMIN.includes(scope) && !hasScope(caller, "admin")),
  );
  if (lacking !== undefined) throw new AdminError("scope", `scopes: ${lacking} is not the caller's to give`);
  const isEndless = ttlS === undefined && expiresAtMs === undefined;
  const wasEndless = before?.ttlS === undefined && before?.expiresAtMs === undefined;
  if (isEndless && !(before && wasEndless) && !hasScope(caller, "admin"))
    throw new AdminError("invalid", "ttl: only an admin makes tokens that never end; give ttl or expiresAt");
}

/** What a minting token has made has none of its own, whoever changes it later (semantics.md §1.11). */
function requireNoPower({ origin }: AccessToken, { scopes, mint }: AccessTokenSettings): void {
  if (origin.kind !== "free" && (scopes.length > 0 || mint))
    throw new AdminError("invalid", "scopes, mint: a token that a minting token made has none; make another");
}

/** Who may not give a scope may not change or take away the token that has it, either. */
function requirePower(caller: Caller, { scopes }: AccessToken): void {
  const lacking = scopes.find((scope) => !hasScope(caller, scope));
  if (lacking !== undefined)
    throw new AdminError("scope", `the token has the scope ${lacking}, which the caller lacks`);
}
