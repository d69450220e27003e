import { AccessAnswer, AccessQuestion } from "@weir/api";
import type { AccessExplainer } from "../admin/access-explainer.ts";
import type { Authorization } from "./authorization.ts";
import { presentAccessAnswer } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

export function addAccessRoutes(api: RestApi, access: AccessExplainer, authorization: Authorization): void {
  api.post(
    "/access/explain",
    {
      config: { isAudited: false },
      schema: {
        tags: ["access"],
        summary:
          "Why does this user (not) see this? Allowed or not, by which entry, with which effective filters",
        body: AccessQuestion,
        response: { 200: AccessAnswer },
      },
    },
    async (request) => presentAccessAnswer(access.explain(authorization.callerOf(request), request.body)),
  );
}
