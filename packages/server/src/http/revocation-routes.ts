import { Revocation, RevocationCreate } from "@weir/api";
import { formatTime } from "../admin/rfc3339-time.ts";
import type { RevocationAdmin } from "../admin/revocation-admin.ts";
import type { Authorization } from "./authorization.ts";
import type { RestApi } from "./rest-api.ts";

export function addRevocationRoutes(
  api: RestApi,
  revocations: Pick<RevocationAdmin, "revoke">,
  authorization: Authorization,
): void {
  api.post(
    "/revocations",
    {
      config: { auditedMembers: ["realm", "subject", "jti", "kid", "claim", "notBefore"] },
      schema: {
        tags: ["revocations"],
        summary: "End JWTs of an OAuth provider that were issued before a time, now and until they expire",
        body: RevocationCreate,
        response: { 201: Revocation },
      },
    },
    async (request, reply) => {
      const { realm, notBeforeMs, untilMs } = await revocations.revoke(
        authorization.callerOf(request),
        request.body,
      );
      return reply.code(201).send({ realm, notBefore: formatTime(notBeforeMs), until: formatTime(untilMs) });
    },
  );
}
