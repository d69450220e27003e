import { AuditEntry, AuditQuery, DEFAULT_PAGE_LIMIT, pageSchema } from "@weir/api";
import type { AuditUseCases } from "./audit-hook.ts";
import type { Authorization } from "./authorization.ts";
import { presentAuditEntry, presentPage } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

export function addAuditRoutes(api: RestApi, audit: AuditUseCases, authorization: Authorization): void {
  api.get(
    "/audit",
    {
      schema: {
        tags: ["audit"],
        summary: "Who changed what, when and from where: the newest first",
        querystring: AuditQuery,
        response: { 200: pageSchema(AuditEntry) },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_PAGE_LIMIT, ...filter } = request.query;
      return presentPage(
        audit.list(authorization.callerOf(request), filter, { cursor, limit }),
        presentAuditEntry,
      );
    },
  );
}
