import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { AccessExplainer } from "../admin/access-explainer.ts";
import type { HistoryReader } from "../admin/history-reader.ts";
import type { MessageAdmin } from "../admin/message-admin.ts";
import type { RetainedAdmin } from "../admin/retained-admin.ts";
import type { RevocationAdmin } from "../admin/revocation-admin.ts";
import type { TicketAdmin } from "../admin/ticket-admin.ts";
import type { TokenAdmin } from "../admin/token-admin.ts";
import { addAccessRoutes } from "./access-routes.ts";
import { addAuditing, type AuditUseCases } from "./audit-hook.ts";
import { addAuditRoutes } from "./audit-routes.ts";
import type { Authorization } from "./authorization.ts";
import { addBackupRoutes, type BackupUseCases } from "./backup-routes.ts";
import { addHistoryRoutes } from "./history-routes.ts";
import { IdempotentAnswers } from "./idempotent-answers.ts";
import { isNestedDeeper } from "./json-depth.ts";
import { addMessageRoutes } from "./message-routes.ts";
import { addObjectRoutes, type ObjectUseCases } from "./object-routes.ts";
import { RequestError } from "./problem-reply.ts";
import { RequestRate } from "./request-rate.ts";
import type { RestApi } from "./rest-api.ts";
import { addRetainedRoutes } from "./retained-routes.ts";
import { addRevocationRoutes } from "./revocation-routes.ts";
import { addSessionRoutes, type SessionUseCases } from "./session-routes.ts";
import { addTicketRoutes } from "./ticket-routes.ts";
import { addTokenRoutes } from "./token-routes.ts";

/** The use cases that REST presents, and its manners. */
export interface RestOptions {
  readonly tokens: TokenAdmin;
  readonly sessions: SessionUseCases;
  readonly messages: MessageAdmin;
  readonly retained: RetainedAdmin;
  readonly histories: HistoryReader;
  readonly access: AccessExplainer;
  readonly audit: AuditUseCases;
  readonly tickets: TicketAdmin;
  readonly revocations: RevocationAdmin;
  readonly backups: BackupUseCases;
  /** Policies, groups and the like: one for each kind. */
  readonly objects: readonly ObjectUseCases[];
  /** Of one credential, a second. */
  readonly maxRequestRate: number;
  nowMs(): number;
  /** A credential made more requests than that. */
  rateExceeded(): void;
}

/** What goes through JSON, and into the store, is gone through by recursion there. */
const MAX_JSON_LEVELS = 32;

/** What nobody knows is refused, never ignored. */
const NoQuery = Type.Object({}, { additionalProperties: false });

/** All of REST, below the prefix that the app was registered with. */
export function addRest(app: FastifyInstance, options: RestOptions, authorization: Authorization): void {
  const api = app.withTypeProvider<TypeBoxTypeProvider>();
  const rate = new RequestRate({
    ratePerS: options.maxRequestRate,
    nowMs: () => options.nowMs(),
    exceeded: () => options.rateExceeded(),
  });
  api.addHook("onRequest", async (request) => rate.take(await authorization.check(request)));
  api.addHook("onRoute", (route) => {
    route.schema = { querystring: NoQuery, ...route.schema };
  });
  acceptJson(api);
  new IdempotentAnswers(authorization, () => options.nowMs()).addTo(api);
  addAuditing(api, options.audit, authorization);
  addRoutes(api, options, authorization);
}

function addRoutes(api: RestApi, options: RestOptions, authorization: Authorization): void {
  addTokenRoutes(api, options.tokens, authorization);
  addSessionRoutes(api, options.sessions, authorization);
  addMessageRoutes(api, options.messages, authorization);
  addRetainedRoutes(api, options.retained, authorization);
  addHistoryRoutes(api, options.histories, authorization);
  addAccessRoutes(api, options.access, authorization);
  addAuditRoutes(api, options.audit, authorization);
  addTicketRoutes(api, options.tickets, authorization);
  addRevocationRoutes(api, options.revocations, authorization);
  addBackupRoutes(api, options.backups, authorization);
  for (const objects of options.objects) addObjectRoutes(api, objects, authorization);
}

/** Bodies are JSON, whatever their content type says: `curl -d` and merge patches come with others. */
function acceptJson(api: RestApi): void {
  const parse = api.getDefaultJsonParser("error", "error");
  api.removeAllContentTypeParsers();
  api.addContentTypeParser("*", { parseAs: "string" }, (request, body, done) => {
    if (body === "") return done(null, undefined);
    if (isNestedDeeper(body as string, MAX_JSON_LEVELS)) {
      return done(new RequestError("invalid", `the body is nested more than ${MAX_JSON_LEVELS} levels deep`));
    }
    return parse(request, body as string, (error, value) => {
      if (error) done(new RequestError("invalid", "the body is not valid JSON"));
      else done(null, value);
    });
  });
}
