import {
  DEFAULT_PAGE_LIMIT,
  pageSchema,
  Session,
  SessionDeleteQuery,
  SessionQuery,
  SessionsDeleted,
  SessionsDeleteQuery,
} from "@weir/api";
import type { FastifyInstance } from "fastify";
import type { SessionAdmin } from "../admin/session-admin.ts";
import type { Authorization } from "./authorization.ts";
import { presentSession } from "./presenters.ts";

interface WithId {
  readonly id: string;
}

/** What is used of the sessions' use cases, whatever class the core's sessions have. */
export type SessionUseCases = Pick<SessionAdmin, "list" | "get" | "end" | "endMany">;

export function addSessionRoutes(
  api: FastifyInstance,
  sessions: SessionUseCases,
  authorization: Authorization,
): void {
  const tags = ["sessions"];

  api.get<{ Querystring: SessionQuery }>(
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
      const { items, next } = sessions.list(authorization.callerOf(request), filter, { cursor, limit });
      return { items: items.map(presentSession), next };
    },
  );

  api.get<{ Params: WithId }>(
    "/sessions/:id",
    { schema: { tags, summary: "Read a session", response: { 200: Session } } },
    async (request) => presentSession(sessions.get(authorization.callerOf(request), request.params.id)),
  );

  api.delete<{ Params: WithId; Querystring: SessionDeleteQuery }>(
    "/sessions/:id",
    {
      schema: {
        tags,
        summary: "Disconnect a session's client and delete the session",
        querystring: SessionDeleteQuery,
      },
    },
    async (request, reply) => {
      await sessions.end(authorization.callerOf(request), request.params.id, request.query.state === "keep");
      return reply.code(204).send();
    },
  );

  api.delete<{ Querystring: SessionsDeleteQuery }>(
    "/sessions",
    {
      schema: {
        tags,
        summary: "End all sessions of a client id, subject or token",
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
