import type { FastifyReply, FastifyRequest } from "fastify";
import {
  type CurrentSession,
  type LoggedIn,
  Login,
  type MqttAccess,
  Registration,
} from "../../contract/index.ts";
import type { Api } from "../backend.ts";
import { checkOrigin, type LoginGate } from "../login-gate.ts";
import { LoginThrottle } from "../login-throttle.ts";
import type { Logins, NewLogin } from "../logins.ts";
import { Problem } from "../problem.ts";

export interface AccountRoutesOptions {
  readonly logins: Logins;
  readonly gate: LoginGate;
  readonly mqttUrl: string;
}

export function addAccountRoutes(api: Api, { logins, gate, mqttUrl }: AccountRoutesOptions): void {
  const throttle = new LoginThrottle();
  const answer = (request: FastifyRequest, reply: FastifyReply, login: NewLogin): FastifyReply => {
    gate.setCookie(request, reply, login.cookie, login.expiresAt);
    const loggedIn: LoggedIn = { user: login.user, mqtt: mqttAccess(mqttUrl, request, login.key) };
    return reply.code(201).send(loggedIn);
  };

  api.post("/users", { schema: { body: Registration } }, async (request, reply) => {
    checkOrigin(request);
    return answer(request, reply, await logins.register(request.body));
  });

  api.post("/session", { schema: { body: Login } }, async (request, reply) => {
    checkOrigin(request);
    const { email } = request.body;
    if (throttle.isBlocked(request.ip, email)) throw tooManyFailures(reply);
    const login = await logins.logIn(request.body);
    if (login) return answer(request, reply, login);
    throttle.failed(request.ip, email);
    throw new Problem(401, "credentials", "The e-mail address or the password is wrong.");
  });

  api.get("/session", async (request) => {
    const login = await gate.findLogin(request);
    return { user: login?.user ?? null, mqtt: { url: urlFor(mqttUrl, request) } } satisfies CurrentSession;
  });

  api.post("/session/token", async (request, reply) => {
    const login = await gate.loginOf(request);
    const mqtt = mqttAccess(mqttUrl, request, await logins.renew(login));
    return reply.code(201).send({ user: login.user, mqtt } satisfies LoggedIn);
  });

  api.delete("/session", async (request, reply) => {
    await logins.logOut(await gate.loginOf(request));
    gate.clearCookie(reply);
    return reply.code(204).send();
  });
}

function tooManyFailures(reply: FastifyReply): Problem {
  void reply.header("retry-after", "60");
  return new Problem(429, "rate", "Too many failed logins. Try again in a minute.");
}

function mqttAccess(mqttUrl: string, request: FastifyRequest, token: string): MqttAccess {
  return { url: urlFor(mqttUrl, request), token };
}

function urlFor(mqttUrl: string, { hostname }: FastifyRequest): string {
  return mqttUrl.replace("{host}", hostname);
}
