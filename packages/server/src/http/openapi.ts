import swagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";

/** Describes the routes that are added after it, at `/api/v1/openapi.json`. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Weir",
        description: "Access tokens, sessions, messages and backups of a Weir broker",
        version,
      },
      components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
      security: [{ bearer: [] }],
    },
  });
  app.get("/api/v1/openapi.json", { schema: { hide: true } }, async () => app.swagger());
}
