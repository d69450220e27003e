import { Ticket } from "@weir/api";
import { formatTime } from "../admin/rfc3339-time.ts";
import type { TicketAdmin } from "../admin/ticket-admin.ts";
import type { Authorization } from "./authorization.ts";
import type { RestApi } from "./rest-api.ts";

export function addTicketRoutes(
  api: RestApi,
  tickets: Pick<TicketAdmin, "create">,
  authorization: Authorization,
): void {
  api.post(
    "/tickets",
    {
      config: { isOfOwnTenant: true, isAudited: false },
      schema: {
        tags: ["tickets"],
        summary: "A one-time ticket with which this web page opens its WebSocket: /mqtt?ticket=…",
        response: { 201: Ticket },
      },
    },
    async (request, reply) => {
      const { ticket, expiresAtMs } = tickets.create(authorization.callerOf(request), request.headers.origin);
      return reply.code(201).send({ ticket, expiresAt: formatTime(expiresAtMs) });
    },
  );
}
