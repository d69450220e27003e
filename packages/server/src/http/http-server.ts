import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createProblem, PROBLEM_CONTENT_TYPE } from "@weir/api";
import { fastify, type FastifyInstance } from "fastify";
import type { TSchema } from "typebox";
import { addApiDocs, API_DOCS_PATH } from "./api-docs.ts";
import { Authorization, type AuthorizationOptions } from "./authorization.ts";
import { addCors, answerPreflight } from "./cors.ts";
import { addHealthRoutes, type MetricsSource, type Readiness, type RequestOrigin } from "./health-routes.ts";
import { addOpenApi } from "./openapi.ts";
import { Pages } from "./pages.ts";
import { problemOf, retryAfterOf, sendProblem } from "./problem-reply.ts";
import { compileShapeCheck, type RequestPart } from "./request-shape.ts";
import { addRest, type RestOptions } from "./rest-routes.ts";
import { RouteTable } from "./route-table.ts";

export interface HttpLogger {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export interface HttpServerOptions extends RestOptions {
  readonly version: string;
  readonly metrics: MetricsSource;
  readonly logger: HttpLogger;
  readonly authorization: AuthorizationOptions;
  readiness(): Readiness;
  /** Whether a request surely comes from this machine. */
  isLocal(request: RequestOrigin): boolean;
  /** PEM; undefined: plain HTTP. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  /** Connections that have not become WebSockets; more are cut. 10,000 by default. */
  readonly maxConnections?: number;
  /** For what comes before a request: the TLS handshake, then its head. 5 s by default, and up to 1 s more. */
  readonly headTimeoutMs?: number;
  /** One was cut because there are so many. */
  connectionRefused?(): void;
  /** Origins whose pages may call REST. */
  readonly corsOrigins: readonly string[];
  /** Addresses or networks whose X-Forwarded-For counts. */
  readonly trustedProxies?: readonly string[];
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface HttpServer {
  /** For `upgrade`: the WebSocket transport attaches here. */
  readonly server: Server;
  /** Port 0: any free one. Resolves with the address in use. */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /** Serves a file from memory, also while running. */
  addPage(path: string, contentType: string, body: string | Uint8Array): void;
  /** Finishes what is under way, but waits for no longer than `graceMs`; upgraded connections are cut then, too. */
  close(graceMs?: number): Promise<void>;
}

const REST_PREFIX = "/api/v1";
const MAX_BODY_BYTES = 2 * 1_048_576;
const MAX_HEADER_BYTES = 16_384;
const MAX_PATH_PARAMETER_CHARACTERS = 4_096;
const DEFAULT_HEAD_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How late the time-outs for headers and requests may be: Node's default is half a minute. */
const TIMEOUT_CHECK_MS = 1_000;
/** As much as the system allows: after a restart thousands come at once. */
const BACKLOG = 65_535;
const DEFAULT_MAX_CONNECTIONS = 10_000;
/** So that a WebSocket's machine that has vanished is noticed, also where MQTT's keep alive is off. */
const TCP_KEEP_ALIVE_DELAY_MS = 300_000;

/** The HTTP side of the broker: REST, health, metrics, pages. Call `listen` next, and `close` in the end. */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { server, app } = createApp(options);
  const sockets = trackSockets(server, options);
  const pages = new Pages();
  const authorization = new Authorization(options.authorization);
  addApiDocs(pages);
  addBoundaries(app, options.logger);
  addCors(app, REST_PREFIX, options.corsOrigins);
  answerUnknown(app, pages);
  await addOpenApi(app, options.version);
  addHealthRoutes(app, { ...options, authorization });
  await app.register(async (api) => addRest(api, options, authorization), { prefix: REST_PREFIX });
  return {
    server,
    listen: (address) => listen(app, server, address),
    addPage: (path, contentType, body) => pages.add(path, contentType, body),
    close: (graceMs = 5_000) => close(app, sockets, graceMs),
  };
}

function createApp(options: HttpServerOptions): { server: Server; app: FastifyInstance } {
  const { headTimeoutMs = DEFAULT_HEAD_TIMEOUT_MS } = options;
  const bounds = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: headTimeoutMs,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
  };
  const server = options.tls
    ? (createTlsServer({
        ...bounds,
        ...options.tls,
        handshakeTimeout: headTimeoutMs,
      }) as unknown as Server)
    : createServer(bounds);
  const app = fastify({
    serverFactory: (handler) => server.on("request", handler),
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER_CHARACTERS },
    trustProxy: options.trustedProxies?.length ? [...options.trustedProxies] : false,
    return503OnClosing: false,
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
  });
  return { server, app };
}

/** What holds for every answer, and for everything that goes wrong. */
function addBoundaries(app: FastifyInstance, logger: HttpLogger): void {
  app.setValidatorCompiler(({ schema, httpPart }) =>
    compileShapeCheck(schema as TSchema, requestPart(httpPart)),
  );
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.addHook("onRequest", async (_request, reply) => {
    void reply.headers(SECURITY_HEADERS);
  });
  app.addHook("onResponse", async (request, reply) => {
    // The route, not the URL: that may hold topics and whatever stands in a query.
    const { method, routeOptions } = request;
    const fields = {
      method,
      route: routeOptions.url,
      status: reply.statusCode,
      tookMs: Math.round(reply.elapsedTime),
    };
    logger.debug(fields, "http request");
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.code === "internal") {
      logger.error(
        { method: request.method, route: request.routeOptions.url, error },
        "an http request failed",
      );
    }
    return sendProblem(reply, problem, retryAfterOf(error));
  });
}

/** What no route answers: pages, OPTIONS, and methods that an address does not have (RFC 9110 §15.5.6). */
function answerUnknown(app: FastifyInstance, pages: Pages): void {
  const routes = new RouteTable();
  routes.follow(app);
  app.setNotFoundHandler((request, reply) => {
    const served = pages.serve(request, reply);
    if (served) return served;
    const methods = routes.methodsAt(request.url);
    if (methods.length === 0) {
      const isRoot = request.method === "GET" && /^\/(?:\?|$)/.test(request.url);
      return isRoot ? reply.redirect(API_DOCS_PATH) : sendProblem(reply, createProblem("not-found"));
    }
    void reply.header("allow", methods.join(", "));
    if (request.method === "OPTIONS") {
      answerPreflight(request, reply);
      return reply.code(204).send();
    }
    const detail = `this address has no ${request.method}; it has ${methods.join(", ")}`;
    return sendProblem(reply, { ...createProblem("invalid", detail), status: 405 });
  });
}

function requestPart(httpPart: string | undefined): RequestPart {
  if (httpPart === "querystring") return "query";
  return httpPart === "params" ? "path" : "body";
}

const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** Bytes that are no HTTP at all. */
function refuseMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(
    createProblem("invalid", "this is no well-formed HTTP request within the limits"),
  );
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\ncontent-length: ${body.length}\r\n`;
  socket.end(`${head}connection: close\r\n\r\n${body}`);
}

/** All sockets, also those that became WebSockets; of the others there are at most `maxConnections`. */
function trackSockets(server: Server, options: HttpServerOptions): ReadonlySet<Socket> {
  const { maxConnections = DEFAULT_MAX_CONNECTIONS } = options;
  const sockets = new Set<Socket>();
  // By address and port: over TLS an upgrade comes with another object than the connection
  const plain = new Set<string>();
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    sockets.add(socket);
    plain.add(peer);
    socket.once("close", () => {
      sockets.delete(socket);
      plain.delete(peer);
    });
    if (plain.size <= maxConnections) return;
    options.connectionRefused?.();
    socket.destroy();
  });
  server.on("upgrade", ({ socket }) => plain.delete(peerOf(socket)));
  return sockets;
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

async function listen(app: FastifyInstance, server: Server, address: ListenAddress): Promise<ListenAddress> {
  await app.listen({ host: address.host, port: address.port, backlog: BACKLOG });
  const bound = server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}

async function close(app: FastifyInstance, sockets: ReadonlySet<Socket>, graceMs: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, graceMs);
  await app.close();
  clearTimeout(timer);
}
