import type { FastifyReply, FastifyRequest } from "fastify";
import { contentTag } from "./entity-tag.ts";

interface Page {
  readonly contentType: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** Scripts and connections only from and to this server, so that injected text can neither run nor report. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Files that are served as they are, from memory. */
export class Pages {
  readonly #byPath = new Map<string, Page>();

  /** @param path from the root, such as `/demo/index.html`; a page at `/demo/` is served at that address */
  add(path: string, contentType: string, body: string | Uint8Array): void {
    const bytes = Buffer.from(body);
    this.#byPath.set(path, { contentType, body: bytes, etag: contentTag(bytes) });
  }

  /** Answers with the page at the request's path; undefined: there is none. */
  serve(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const path = request.url.replace(/[?#].*$/s, "");
    const page = this.#byPath.get(path);
    if (!page || (request.method !== "GET" && request.method !== "HEAD")) return undefined;
    void reply.headers({
      "content-security-policy": PAGE_POLICY,
      "cache-control": "no-cache",
      etag: page.etag,
    });
    if (request.headers["if-none-match"] === page.etag) return reply.code(304).send();
    void reply.code(200).type(page.contentType);
    if (request.method === "GET") return reply.send(page.body);
    return reply.header("content-length", page.body.length).send();
  }
}
