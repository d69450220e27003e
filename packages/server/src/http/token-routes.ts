import {
  CreatedToken,
  DEFAULT_PAGE_LIMIT,
  IdPath,
  PageQuery,
  pageSchema,
  Token,
  TokenCreate,
  TokenDeleteQuery,
  TokenPatch,
} from "@weir/api";
import type { FastifyReply } from "fastify";
import type { JsonObject } from "../admin/merge-patch.ts";
import type { ShownToken, TokenAdmin } from "../admin/token-admin.ts";
import type { Authorization } from "./authorization.ts";
import { contentTag, requireTag } from "./entity-tag.ts";
import { presentCreatedToken, presentPage, presentToken } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

const tags = ["tokens"];

export function addTokenRoutes(api: RestApi, tokens: TokenAdmin, authorization: Authorization): void {
  addReading(api, tokens, authorization);
  addMaking(api, tokens, authorization);
  addChanging(api, tokens, authorization);
}

function addReading(api: RestApi, tokens: TokenAdmin, authorization: Authorization): void {
  api.get(
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
      return presentPage(tokens.list(authorization.callerOf(request), cursor, limit), presentToken);
    },
  );

  api.get(
    "/tokens/self",
    { schema: { tags, summary: "Read the caller's own access token", response: { 200: Token } } },
    async (request, reply) => sendToken(reply, tokens.self(authorization.callerOf(request))),
  );

  api.get(
    "/tokens/:id",
    { schema: { tags, summary: "Read an access token", params: IdPath, response: { 200: Token } } },
    async (request, reply) =>
      sendToken(reply, tokens.get(authorization.callerOf(request), request.params.id)),
  );
}

function addMaking(api: RestApi, tokens: TokenAdmin, authorization: Authorization): void {
  api.post(
    "/tokens",
    {
      config: { auditedMembers: ["subject", "name"] },
      schema: { tags, summary: "Make an access token", body: TokenCreate, response: { 201: CreatedToken } },
    },
    async (request, reply) => {
      const { token, key } = await tokens.create(authorization.callerOf(request), request.body);
      return reply
        .code(201)
        .headers({ location: `/api/v1/tokens/${token.id}`, etag: tagOf(token) })
        .send(presentCreatedToken(token, key));
    },
  );
}

function addChanging(api: RestApi, tokens: TokenAdmin, authorization: Authorization): void {
  api.patch(
    "/tokens/:id",
    {
      schema: {
        tags,
        summary: "Change an access token while it is in use",
        params: IdPath,
        body: TokenPatch,
        response: { 200: Token },
      },
    },
    async (request, reply) => {
      const caller = authorization.callerOf(request);
      const { id } = request.params;
      requireTag(request, () => tagOf(tokens.get(caller, id)));
      return sendToken(reply, await tokens.update(caller, id, request.body as JsonObject));
    },
  );

  api.delete(
    "/tokens/:id",
    {
      schema: {
        tags,
        summary: "Delete an access token; its connections end",
        params: IdPath,
        querystring: TokenDeleteQuery,
      },
    },
    async (request, reply) => {
      const caller = authorization.callerOf(request);
      const { id } = request.params;
      requireTag(request, () => tagOf(tokens.get(caller, id)));
      await tokens.delete(caller, id, {
        deletesSessions: request.query.sessions ?? false,
        keepsMinted: request.query.minted === "keep",
      });
      return reply.code(204).send();
    },
  );
}

function sendToken(reply: FastifyReply, token: ShownToken): FastifyReply {
  return reply.header("etag", tagOf(token)).send(presentToken(token));
}

/** Its use is no change of a token. */
function tagOf(token: ShownToken): string {
  const { lastUsedAt: _, ...settings } = presentToken(token);
  return contentTag(JSON.stringify(settings));
}
