import type { FastifyRequest } from "fastify";
import type { Caller } from "../admin/scope.ts";
import { RequestError } from "./problem-reply.ts";

export interface CallerAddress {
  readonly address: string;
  readonly origin: string | undefined;
}

/** Who calls, by the Authorization header; undefined where it does not hold a credential that is valid from there. */
export type AuthenticateCaller = (
  authorization: string | undefined,
  from: CallerAddress,
) => Promise<Caller | undefined>;

/** Authenticates requests before their bodies are read, and remembers who made them. */
export class Authorization {
  readonly #authenticate: AuthenticateCaller;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor(authenticate: AuthenticateCaller) {
    this.#authenticate = authenticate;
  }

  /** @throws {RequestError} `unauthenticated` */
  async check(request: FastifyRequest): Promise<Caller> {
    const { authorization, origin } = request.headers;
    const caller = await this.#authenticate(authorization, { address: request.ip, origin });
    if (!caller) {
      const detail =
        authorization === undefined
          ? "send Authorization: Bearer and an access token"
          : "the credential is not valid";
      throw new RequestError("unauthenticated", detail);
    }
    this.#callers.set(request, caller);
    return caller;
  }

  /** Who made a request that was checked. @throws {RequestError} `unauthenticated` for one that was not */
  callerOf(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request);
    if (!caller) throw new RequestError("unauthenticated", "the request was not checked");
    return caller;
  }
}
