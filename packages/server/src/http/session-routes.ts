import {
  DEFAULT_PAGE_LIMIT,
  IdPath,
  pageSchema,
  Session,
  SessionCreate,
  SessionDeleteQuery,
  SessionQuery,
  SessionsDeleted,
  SessionsDeleteQuery,
  SubscriptionsDeleted,
  SubscriptionsDeleteQuery,
  SubscriptionsPut,
} from "@weir/api";
import type { SessionAdmin } from "../admin/session-admin.ts";
import type { Authorization } from "./authorization.ts";
import { presentPage, presentSession } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

/** What is used of the sessions' use cases, whatever class the core's sessions have. */
export type SessionUseCases = Pick<
  SessionAdmin,
  "list" | "get" | "create" | "end" | "endMany" | "subscribe" | "unsubscribe"
>;

const tags = ["sessions"];

export function addSessionRoutes(
  api: RestApi,
  sessions: SessionUseCases,
  authorization: Authorization,
): void {
  addReading(api, sessions, authorization);
  addMaking(api, sessions, authorization);
  addEnding(api, sessions, authorization);
}

function addReading(api: RestApi, sessions: SessionUseCases, authorization: Authorization): void {
  api.get(
    "/sessions",
    {
      schema: {
        tags,
        summary: "List sessions",
        querystring: SessionQuery,
        response: { 200: pageSchema(Session) },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_PAGE_LIMIT, ...filter } = request.query;
      const page = sessions.list(authorization.callerOf(request), filter, { cursor, limit });
      return presentPage(page, presentSession);
    },
  );

  api.get(
    "/sessions/:id",
    { schema: { tags, summary: "Read a session", params: IdPath, response: { 200: Session } } },
    async (request) => presentSession(sessions.get(authorization.callerOf(request), request.params.id)),
  );
}

function addMaking(api: RestApi, sessions: SessionUseCases, authorization: Authorization): void {
  api.post(
    "/sessions",
    {
      config: { auditedMembers: ["token", "provider", "clientId"] },
      schema: {
        tags,
        summary: "Make a persistent session before its client ever connects: it collects from now on",
        body: SessionCreate,
        response: { 201: Session },
      },
    },
    async (request, reply) => {
      const made = await sessions.create(authorization.callerOf(request), request.body);
      return reply.code(201).header("location", `/api/v1/sessions/${made.id}`).send(presentSession(made));
    },
  );

  api.put(
    "/sessions/:id/subscriptions",
    {
      schema: {
        tags,
        summary: "Subscribe a session, as far as its own principal may: all of the filters or none",
        params: IdPath,
        body: SubscriptionsPut,
        response: { 200: Session },
      },
    },
    async (request) => {
      const { subscriptions } = request.body;
      const { id } = request.params;
      return presentSession(await sessions.subscribe(authorization.callerOf(request), id, subscriptions));
    },
  );

  api.delete(
    "/sessions/:id/subscriptions",
    {
      schema: {
        tags,
        summary: "End subscriptions of a session",
        params: IdPath,
        querystring: SubscriptionsDeleteQuery,
        response: { 200: SubscriptionsDeleted },
      },
    },
    async (request) => {
      const filters = [request.query.filter].flat();
      const { id } = request.params;
      return { count: await sessions.unsubscribe(authorization.callerOf(request), id, filters) };
    },
  );
}

function addEnding(api: RestApi, sessions: SessionUseCases, authorization: Authorization): void {
  api.delete(
    "/sessions/:id",
    {
      schema: {
        tags,
        summary: "Disconnect a session's client and delete the session",
        params: IdPath,
        querystring: SessionDeleteQuery,
      },
    },
    async (request, reply) => {
      await sessions.end(authorization.callerOf(request), request.params.id, request.query.state === "keep");
      return reply.code(204).send();
    },
  );

  api.delete(
    "/sessions",
    {
      schema: {
        tags,
        summary: "End all sessions of a client id, subject, token, issuer, key or group",
        querystring: SessionsDeleteQuery,
        response: { 200: SessionsDeleted },
      },
    },
    async (request) => {
      const { state, ...filter } = request.query;
      return { count: await sessions.endMany(authorization.callerOf(request), filter, state === "keep") };
    },
  );
}
