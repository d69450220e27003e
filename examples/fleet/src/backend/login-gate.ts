import type { FastifyReply, FastifyRequest } from "fastify";
import type { CurrentLogin, Logins } from "./logins.ts";
import { Problem, signedOut } from "./problem.ts";

const COOKIE = "fleet_session";

/** Who a request comes from: the login whose cookie it shows. */
export class LoginGate {
  readonly #logins: Logins;

  constructor(logins: Logins) {
    this.#logins = logins;
  }

  /** @throws {Problem} `signed-out`, or `forbidden` for a page of another origin */
  async loginOf(request: FastifyRequest): Promise<CurrentLogin> {
    checkOrigin(request);
    const login = await this.findLogin(request);
    if (!login) throw signedOut();
    return login;
  }

  /** Undefined: nobody is logged in. */
  async findLogin(request: FastifyRequest): Promise<CurrentLogin | undefined> {
    const cookie = request.cookies[COOKIE];
    return cookie === undefined ? undefined : this.#logins.find(cookie);
  }

  async userIdOf(request: FastifyRequest): Promise<string> {
    return (await this.loginOf(request)).user.id;
  }

  setCookie(request: FastifyRequest, reply: FastifyReply, secret: string, expires: Date): void {
    const secure = request.protocol === "https";
    void reply.setCookie(COOKIE, secret, {
      path: "/api",
      httpOnly: true,
      sameSite: "strict",
      secure,
      expires,
    });
  }

  clearCookie(reply: FastifyReply): void {
    void reply.clearCookie(COOKIE, { path: "/api" });
  }
}

/** The cookie is SameSite already; this also stops pages of another port of the same host. */
export function checkOrigin({ headers, method, host }: FastifyRequest): void {
  const { origin } = headers;
  if (origin === undefined || method === "GET" || method === "HEAD") return;
  if (URL.parse(origin)?.host !== host)
    throw new Problem(403, "forbidden", "Another page may not do this in your name.");
}
