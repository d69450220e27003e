import { DEFAULT_PAGE_LIMIT, NamePath, PageQuery, pageSchema } from "@weir/api";
import type { ObjectAdmin } from "../admin/object-admin.ts";
import type { Authorization } from "./authorization.ts";
import { preconditionOf, versionTag } from "./entity-tag.ts";
import { type ObjectSchemas, objectSchemas } from "./object-schemas.ts";
import { presentPage } from "./presenters.ts";
import type { RestApi } from "./rest-api.ts";

/** What is used of the use cases of one kind of named objects. */
export type ObjectUseCases = Pick<
  ObjectAdmin<unknown>,
  "path" | "noun" | "isOfSystem" | "list" | "get" | "put" | "delete"
>;

/** List, read, put, delete: the same manners for every kind of named objects. */
export function addObjectRoutes(api: RestApi, objects: ObjectUseCases, authorization: Authorization): void {
  const schemas = objectSchemas[objects.path];
  if (!schemas) throw new Error(`there are no schemas for ${objects.path}`);
  addReading(api, objects, schemas, authorization);
  addWriting(api, objects, schemas, authorization);
}

function addReading(
  api: RestApi,
  objects: ObjectUseCases,
  { shown }: ObjectSchemas,
  authorization: Authorization,
): void {
  const { path, noun, isOfSystem: isOfOwnTenant } = objects;
  const tags = [path];
  const config = { isOfOwnTenant };

  api.get(
    `/${path}`,
    {
      config,
      schema: {
        tags,
        summary: `List ${path}`,
        querystring: PageQuery,
        response: { 200: pageSchema(shown) },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_PAGE_LIMIT } = request.query;
      const page = objects.list(authorization.callerOf(request), cursor, limit);
      return presentPage(page, (item) => item.shown);
    },
  );

  api.get(
    `/${path}/:name`,
    { config, schema: { tags, summary: `Read a ${noun}`, params: NamePath, response: { 200: shown } } },
    async (request, reply) => {
      const found = objects.get(authorization.callerOf(request), request.params.name);
      return reply.header("etag", versionTag(found.version)).send(found.shown);
    },
  );
}

function addWriting(
  api: RestApi,
  objects: ObjectUseCases,
  { put, shown }: ObjectSchemas,
  authorization: Authorization,
): void {
  const { path, noun, isOfSystem: isOfOwnTenant } = objects;
  const tags = [path];
  const config = { isOfOwnTenant };

  api.put(
    `/${path}/:name`,
    {
      config,
      schema: {
        tags,
        summary: `Make or replace a ${noun}; it counts at once`,
        params: NamePath,
        body: put,
        response: { 200: shown, 201: shown },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const caller = authorization.callerOf(request);
      const done = await objects.put(caller, name, request.body, preconditionOf(request));
      if (done.isNew) void reply.code(201).header("location", `/api/v1/${path}/${name}`);
      return reply.header("etag", versionTag(done.version)).send(done.shown);
    },
  );

  api.delete(
    `/${path}/:name`,
    { config, schema: { tags, summary: `Delete a ${noun}; that counts at once`, params: NamePath } },
    async (request, reply) => {
      const caller = authorization.callerOf(request);
      await objects.delete(caller, request.params.name, preconditionOf(request));
      return reply.code(204).send();
    },
  );
}
