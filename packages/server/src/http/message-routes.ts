import { MessagePublish, Published, TopicPath, TopicPutQuery } from "@weir/api";
import type { FastifyRequest } from "fastify";
import type { MessageAdmin, MessageCommand } from "../admin/message-admin.ts";
import type { Authorization } from "./authorization.ts";
import { parseMessageBody } from "./message-body.ts";
import type { RestApi } from "./rest-api.ts";

/** JSON may need six characters for one of the payload (`\u0000`); more is refused before it is read. */
const JSON_OVERHEAD = 6;
const OTHER_MEMBERS_BYTES = 262_144;
/** What curl says unless told otherwise: it is not the sender's statement about the payload. */
const UNSAID_CONTENT_TYPES: readonly string[] = [
  "application/x-www-form-urlencoded",
  "application/octet-stream",
];

export function addMessageRoutes(api: RestApi, messages: MessageAdmin, authorization: Authorization): void {
  const tags = ["messages"];
  api.post(
    "/messages",
    {
      bodyLimit: messages.maxPayloadBytes * JSON_OVERHEAD + OTHER_MEMBERS_BYTES,
      config: { isOfOwnTenant: true, isAudited: false },
      schema: {
        tags,
        summary: "Publish a message; 200 once the engine has made its promise",
        body: MessagePublish,
        response: { 200: Published },
      },
    },
    async (request) => {
      await messages.publish(authorization.callerOf(request), parseMessageBody(request.body));
      return {};
    },
  );
  void api.register(async (raw) => addTopicRoute(raw, messages, authorization));
}

/** Here bodies are bytes, whatever their content type. */
function addTopicRoute(raw: RestApi, messages: MessageAdmin, authorization: Authorization): void {
  raw.removeAllContentTypeParsers();
  raw.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  raw.put(
    "/topics/*",
    {
      bodyLimit: messages.maxPayloadBytes,
      config: { isOfOwnTenant: true, isAudited: false },
      schema: {
        tags: ["messages"],
        summary: "Publish the body as it is",
        consumes: ["application/octet-stream"],
        params: TopicPath,
        querystring: TopicPutQuery,
        response: { 200: Published },
      },
    },
    async (request) => {
      const { qos = 0, retain = false, expiry } = request.query;
      const command: MessageCommand = {
        topic: request.params["*"],
        payload: (request.body as Buffer | undefined) ?? new Uint8Array(0),
        qos: qos as 0 | 1 | 2,
        retain,
        expiryS: expiry,
        properties: propertiesOf(request),
      };
      await messages.publish(authorization.callerOf(request), command);
      return {};
    },
  );
}

function propertiesOf(request: FastifyRequest): MessageCommand["properties"] {
  const contentType = request.headers["content-type"];
  return contentType === undefined || UNSAID_CONTENT_TYPES.includes(contentType) ? {} : { contentType };
}
