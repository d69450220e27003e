import type { FastifyRequest } from "fastify";
import { type Caller, hasScope } from "../admin/scope.ts";
import { RequestError } from "./problem-reply.ts";

export interface CallerAddress {
  readonly address: string;
  readonly origin: string | undefined;
}

/** Whom a credential stands for. */
export type Credential = Omit<Caller, "tenant" | "address">;

/** Why a credential is refused: a short stable word for metrics and the log. */
export interface CredentialRefusal {
  readonly reason: string;
}

export interface AuthorizationOptions {
  /** Who calls, by the Authorization header; or why it does not hold a credential that is valid from there. */
  authenticate(
    authorization: string | undefined,
    from: CallerAddress,
  ): Promise<Credential | CredentialRefusal>;
  /** The id of a tenant, by its name; undefined: there is no such tenant. */
  tenantId(name: string): string | undefined;
  /** Whether a tenant, by its id, lets its own credentials call. */
  isRestOn(tenantId: string): boolean;
  /** A request was refused for its credential. */
  refused(reason: string, address: string): void;
}

/** Authenticates requests before their bodies are read, and remembers who made them. */
export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor(options: AuthorizationOptions) {
    this.#options = options;
  }

  /** @throws {RequestError} `unauthenticated`; `scope` or `not-found` for a tenant that is not the caller's to name */
  async check(request: FastifyRequest): Promise<Caller> {
    const { authorization, origin } = request.headers;
    const credential = await this.#options.authenticate(authorization, { address: request.ip, origin });
    if ("reason" in credential) throw this.#refuse(credential, request.ip);
    if (!this.#options.isRestOn(credential.principal.tenant))
      throw new RequestError("scope", "REST is switched off for the credential's tenant");
    const tenant = this.#tenantOf(request, credential);
    const caller = { ...credential, tenant, address: request.ip };
    this.#callers.set(request, caller);
    return caller;
  }

  /** Who made a request that was checked. */
  callerOf(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request);
    if (!caller) throw new Error("this request was not checked");
    return caller;
  }

  /** Whatever is wrong with a credential, its holder hears the same (semantics.md §1.15). */
  #refuse({ reason }: CredentialRefusal, address: string): RequestError {
    this.#options.refused(reason, address);
    const detail =
      reason === "none"
        ? "send Authorization: Bearer and an access token or a JWT"
        : "the credential is not valid";
    return new RequestError("unauthenticated", detail);
  }

  /** An admin of the system says ?tenant=; what everybody else may ask for is their own. */
  #tenantOf(request: FastifyRequest, credential: Credential): string {
    const own = credential.principal.tenant;
    const query = request.query as Record<string, unknown>;
    const { tenant } = query;
    if (tenant === undefined || request.routeOptions.config.isOfOwnTenant) return own;
    if (typeof tenant !== "string") throw new RequestError("invalid", "tenant: must be one name");
    delete query["tenant"];
    const id = this.#options.tenantId(tenant);
    if (id === own) return own;
    if (!hasScope(credential, "tenants"))
      throw new RequestError("scope", "another tenant than one's own needs the scope tenants");
    if (id === undefined) throw new RequestError("not-found", "there is no such tenant");
    return id;
  }
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The call acts under the caller's own ACL, which says nothing about other tenants: no ?tenant=. */
    readonly isOfOwnTenant?: boolean;
  }
}
