import Type, { type Static } from "typebox";
import { Limits } from "./token.ts";

const switches = {
  mqtt: Type.Boolean({ default: true, description: "MQTT over TCP and TLS" }),
  websocket: Type.Boolean({ default: true, description: "MQTT over WebSocket" }),
  rest: Type.Boolean({ default: true, description: "REST by the tenant's own credentials" }),
};

const limits = Type.Partial(
  Type.Object({
    ...Limits.properties,
    histories: Type.Integer({ minimum: 0 }),
    retainedMessages: Type.Integer({ minimum: 0 }),
    sessions: Type.Integer({ minimum: 0, description: "That outlive their connections, or have a will" }),
  }),
  {
    additionalProperties: false,
    description:
      "connections, publishRate and publishBytesRate of all its principals together, histories, retainedMessages and sessions of the tenant; the others of each principal",
  },
);

const declared = {
  wildcards: Type.Enum(["narrow", "refuse"], {
    default: "narrow",
    description: "What becomes of a filter that is wider than the ACL",
  }),
  refusedPublish: Type.Enum(["ack", "disconnect"], {
    default: "ack",
    description: "What a publisher gets whose message the ACL refuses",
  }),
  verifiedPublisher: Type.Boolean({
    default: false,
    description: "Delivered messages say who published them, in user properties",
  }),
  limits,
};

/** The body of `PUT /tenants/{name}`. What is left out is as it is by default. */
export const TenantPut = Type.Object(
  {
    protocols: Type.Optional(
      Type.Partial(Type.Object(switches), { additionalProperties: false, description: "Off is false" }),
    ),
    wildcards: Type.Optional(declared.wildcards),
    refusedPublish: Type.Optional(declared.refusedPublish),
    verifiedPublisher: Type.Optional(declared.verifiedPublisher),
    limits: Type.Optional(declared.limits),
  },
  { additionalProperties: false },
);
export type TenantPut = Static<typeof TenantPut>;

/** An isolated topic space with its own tokens, providers, policies, sessions, histories and limits. */
export const Tenant = Type.Object({
  name: Type.String(),
  id: Type.String({ description: "Another one when a tenant of this name is made anew" }),
  protocols: Type.Object(switches),
  ...declared,
  createdAt: Type.String({ format: "date-time" }),
  updatedAt: Type.String({ format: "date-time" }),
});
export type Tenant = Static<typeof Tenant>;
