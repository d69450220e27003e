import {
  CreatedToken,
  DEFAULT_PAGE_LIMIT,
  PageQuery,
  pageSchema,
  Token,
  TokenCreate,
  TokenDeleteQuery,
  TokenPatch,
} from "@weir/api";
import type { FastifyInstance } from "fastify";
import type { JsonObject } from "../admin/merge-patch.ts";
import type { TokenAdmin } from "../admin/token-admin.ts";
import type { Authorization } from "./authorization.ts";
import { presentCreatedToken, presentToken } from "./presenters.ts";

interface WithId {
  readonly id: string;
}

const tags = ["tokens"];

export function addTokenRoutes(api: FastifyInstance, tokens: TokenAdmin, authorization: Authorization): void {
  addReading(api, tokens, authorization);
  addWriting(api, tokens, authorization);
}

function addWriting(api: FastifyInstance, tokens: TokenAdmin, authorization: Authorization): void {
  api.post<{ Body: TokenCreate }>(
    "/tokens",
    { schema: { tags, summary: "Make an access token", body: TokenCreate, response: { 201: CreatedToken } } },
    async (request, reply) => {
      const { token, key } = await tokens.create(authorization.callerOf(request), request.body);
      return reply
        .code(201)
        .header("location", `/api/v1/tokens/${token.id}`)
        .send(presentCreatedToken(token, key));
    },
  );

  api.patch<{ Params: WithId; Body: TokenPatch }>(
    "/tokens/:id",
    {
      schema: {
        tags,
        summary: "Change an access token while it is in use",
        body: TokenPatch,
        response: { 200: Token },
      },
    },
    async (request) => {
      const patch = request.body as JsonObject;
      return presentToken(await tokens.update(authorization.callerOf(request), request.params.id, patch));
    },
  );

  api.delete<{ Params: WithId; Querystring: TokenDeleteQuery }>(
    "/tokens/:id",
    {
      schema: { tags, summary: "Delete an access token; its connections end", querystring: TokenDeleteQuery },
    },
    async (request, reply) => {
      await tokens.delete(authorization.callerOf(request), request.params.id, {
        deletesSessions: request.query.sessions ?? false,
        keepsMinted: request.query.minted === "keep",
      });
      return reply.code(204).send();
    },
  );
}

function addReading(api: FastifyInstance, tokens: TokenAdmin, authorization: Authorization): void {
  api.get<{ Querystring: PageQuery }>(
    "/tokens",
    {
      schema: {
        tags,
        summary: "List access tokens",
        querystring: PageQuery,
        response: { 200: pageSchema(Token) },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
      const { items, next } = tokens.list(authorization.callerOf(request), cursor, limit);
      return { items: items.map(presentToken), next };
    },
  );

  api.get(
    "/tokens/self",
    { schema: { tags, summary: "Read the caller's own access token", response: { 200: Token } } },
    async (request) => presentToken(tokens.self(authorization.callerOf(request))),
  );

  api.get<{ Params: WithId }>(
    "/tokens/:id",
    { schema: { tags, summary: "Read an access token", response: { 200: Token } } },
    async (request) => presentToken(tokens.get(authorization.callerOf(request), request.params.id)),
  );
}
