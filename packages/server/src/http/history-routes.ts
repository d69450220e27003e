import { DEFAULT_PAGE_LIMIT, HistoryMessages, HistoryMessagesQuery } from "@weir/api";
import type { HistoryReader } from "../admin/history-reader.ts";
import type { Authorization } from "./authorization.ts";
import { presentHistoryMessage } from "./presenters.ts";
import { RequestError } from "./problem-reply.ts";
import type { RestApi } from "./rest-api.ts";

/** Reading what histories have; they are made and changed as the other named objects are. */
export function addHistoryRoutes(api: RestApi, histories: HistoryReader, authorization: Authorization): void {
  api.get(
    "/histories/:name/messages",
    {
      config: { isOfOwnTenant: true },
      schema: {
        tags: ["histories"],
        summary: "Read the messages of a history that the caller may replay, the oldest first",
        querystring: HistoryMessagesQuery,
        response: { 200: HistoryMessages },
      },
    },
    async (request) => {
      const { since, filter, cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
      if (cursor !== undefined && since !== undefined)
        throw new RequestError("invalid", "give since for the first page, and cursor for the next ones");
      const { name } = request.params as { readonly name: string };
      const caller = authorization.callerOf(request);
      const page = await histories.read(caller, name, { since: cursor ?? since, filter, limit });
      const { messages, next, isTruncated: truncated } = page;
      return { items: messages.map(presentHistoryMessage), truncated, ...(next !== undefined && { next }) };
    },
  );
}
