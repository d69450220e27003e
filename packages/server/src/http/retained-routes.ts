import {
  DEFAULT_PAGE_LIMIT,
  pageSchema,
  RetainedDeleted,
  RetainedDeleteQuery,
  RetainedMessage,
  RetainedQuery,
} from "@weir/api";
import type { RetainedAdmin } from "../admin/retained-admin.ts";
import type { Authorization } from "./authorization.ts";
import { presentPage, presentRetained } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

export function addRetainedRoutes(api: RestApi, retained: RetainedAdmin, authorization: Authorization): void {
  const tags = ["messages"];
  const config = { isOfOwnTenant: true };

  api.get(
    "/retained",
    {
      config,
      schema: {
        tags,
        summary: "Read the retained messages that a filter matches and the caller may read",
        querystring: RetainedQuery,
        response: { 200: pageSchema(RetainedMessage) },
      },
    },
    async (request) => {
      const { filter, cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
      const page = await retained.list(authorization.callerOf(request), filter, { cursor, limit });
      return presentPage(page, presentRetained);
    },
  );

  api.delete(
    "/retained",
    {
      config,
      schema: {
        tags,
        summary: "Clear the retained messages that a filter matches and the caller may publish",
        querystring: RetainedDeleteQuery,
        response: { 200: RetainedDeleted },
      },
    },
    async (request) => retained.clear(authorization.callerOf(request), request.query.filter),
  );
}
