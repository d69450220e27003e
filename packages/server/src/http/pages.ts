import type { FastifyReply, FastifyRequest } from "fastify";
import { contentTag } from "./entity-tag.ts";

/** Text, bytes, or what makes them when somebody asks for the first time. */
export type PageBody = string | Uint8Array | (() => string);

interface Page {
  readonly contentType: string;
  readonly policy: string;
  readonly body: PageBody;
  content: { readonly bytes: Buffer; readonly etag: string } | undefined;
}

/** Scripts and connections only from and to this server, so that injected text can neither run nor report. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Files that are served as they are, from memory. */
export class Pages {
  readonly #byPath = new Map<string, Page>();

  /**
   * @param path from the root, such as `/demo/index.html`; a page at `/demo/` is served at that address
   * @param policy the Content-Security-Policy
   */
  add(path: string, contentType: string, body: PageBody, policy: string = PAGE_POLICY): void {
    this.#byPath.set(path, { contentType, policy, body, content: undefined });
  }

  /** Answers with the page at the request's path; undefined: there is none. */
  serve(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const path = request.url.replace(/[?#].*$/s, "");
    const page = this.#byPath.get(path);
    if (!page || (request.method !== "GET" && request.method !== "HEAD")) return undefined;
    const { bytes, etag } = contentOf(page);
    void reply.headers({
      "content-security-policy": page.policy,
      "cache-control": "no-cache",
      etag,
    });
    if (request.headers["if-none-match"] === etag) return reply.code(304).send();
    void reply.code(200).type(page.contentType);
    if (request.method === "GET") return reply.send(bytes);
    return reply.header("content-length", bytes.length).send();
  }
}

function contentOf(page: Page): { readonly bytes: Buffer; readonly etag: string } {
  if (!page.content) {
    const bytes = Buffer.from(typeof page.body === "function" ? page.body() : page.body);
    page.content = { bytes, etag: contentTag(bytes) };
  }
  return page.content;
}
