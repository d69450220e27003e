import type { AccessAnswer, AccessQuestion } from "./access-explain.ts";
import type { AuditEntry, AuditQuery } from "./audit.ts";
import type { Backup, BackupBegin, BackupList } from "./backup.ts";
import type { Group, GroupPut } from "./group.ts";
import type { History, HistoryPut } from "./history.ts";
import type { MessagePublish } from "./message.ts";
import type { NamedCalls } from "./named-calls.ts";
import type { Page, PageQuery } from "./page.ts";
import type { Policy, PolicyPut } from "./policy.ts";
import type { Problem, ProblemCode } from "./problem.ts";
import type { Provider, ProviderPut } from "./provider.ts";
import type { RetainedDeleted, RetainedDeleteQuery, RetainedMessage, RetainedQuery } from "./retained.ts";
import type { Revocation, RevocationCreate } from "./revocation.ts";
import type {
  Session,
  SessionCreate,
  SessionDeleteQuery,
  SessionQuery,
  SessionsDeleted,
  SessionsDeleteQuery,
  SubscriptionsDeleted,
  SubscriptionsPut,
} from "./session.ts";
import type { Tenant, TenantPut } from "./tenant.ts";
import type { Ticket } from "./ticket.ts";
import type { CreatedToken, Token, TokenCreate, TokenDeleteQuery, TokenPatch } from "./token.ts";

/** What is used of `fetch`: the types of neither browsers nor Node are needed to compile this. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal?: never;
}

export interface FetchResponse {
  readonly status: number;
  text(): Promise<string>;
}

export interface WeirClientOptions {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The key of an access token. */
  readonly token: string;
  /** Another tenant than the token's own: for an admin of the system, and for all but what needs a tenant's own ACL. */
  readonly tenant?: string;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** After so many milliseconds without an answer a call rejects. Default: 30,000. */
  readonly timeoutMs?: number;
}

/** The broker refused a call, or what answered is no broker (`code` is then `unexpected`). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  readonly code: ProblemCode | "unexpected";
  readonly detail: string | undefined;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `HTTP status ${status}`);
    this.status = status;
    this.code = problem.code ?? "unexpected";
    this.detail = problem.detail;
  }
}

/** Typed calls to a broker's REST interface. Each rejects with {@link ProblemError}, or with what `fetch` rejects with. */
export interface WeirClient {
  readonly tokens: {
    create(token: TokenCreate): Promise<CreatedToken>;
    list(page?: PageQuery): Promise<Page<Token>>;
    get(id: string): Promise<Token>;
    self(): Promise<Token>;
    update(id: string, patch: TokenPatch): Promise<Token>;
    delete(id: string, query?: TokenDeleteQuery): Promise<void>;
  };
  readonly sessions: {
    list(query?: SessionQuery): Promise<Page<Session>>;
    get(id: string): Promise<Session>;
    /** Before its client ever connects. */
    create(session: SessionCreate): Promise<Session>;
    subscribe(id: string, subscriptions: SubscriptionsPut["subscriptions"]): Promise<Session>;
    unsubscribe(id: string, filters: readonly string[]): Promise<SubscriptionsDeleted>;
    delete(id: string, query?: SessionDeleteQuery): Promise<void>;
    deleteMany(query: SessionsDeleteQuery): Promise<SessionsDeleted>;
  };
  readonly messages: {
    /** Resolves when the broker has made the promise that its engine makes. */
    publish(message: MessagePublish): Promise<void>;
  };
  readonly retained: {
    list(query: RetainedQuery): Promise<Page<RetainedMessage>>;
    delete(query: RetainedDeleteQuery): Promise<RetainedDeleted>;
  };
  readonly policies: NamedCalls<PolicyPut, Policy>;
  readonly groups: NamedCalls<GroupPut, Group>;
  readonly providers: NamedCalls<ProviderPut, Provider>;
  readonly histories: NamedCalls<HistoryPut, History>;
  readonly tenants: NamedCalls<TenantPut, Tenant>;
  readonly revocations: {
    /** Ends JWTs before their time, now and until they expire. */
    create(revocation: RevocationCreate): Promise<Revocation>;
  };
  readonly access: {
    /** Why does this user (not) see this? */
    explain(question: AccessQuestion): Promise<AccessAnswer>;
  };
  readonly audit: {
    /** The newest first. */
    list(query?: AuditQuery): Promise<Page<AuditEntry>>;
  };
  readonly tickets: {
    create(): Promise<Ticket>;
  };
  /** Named objects of a kind that is known by its path alone. */
  named(path: string): NamedCalls<object, object>;
  readonly backups: {
    /** Resolves when it has begun: `get` tells how far it is. */
    begin(backup?: BackupBegin): Promise<Backup>;
    list(): Promise<BackupList>;
    get(id: string): Promise<Backup>;
  };
}

type QueryValue = string | number | boolean | undefined | readonly string[];
type Query = Readonly<Record<string, QueryValue>>;

interface Request {
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Call = <T>(method: string, path: string, request?: Request) => Promise<T>;

/**
 * @throws {TypeError} if the URL is not an http or https one, or the platform has no `fetch` and none is given
 */
export function createWeirClient(options: WeirClientOptions): WeirClient {
  const call = createCall(options);
  const tokenPath = (id: string): string => `/tokens/${encodeURIComponent(id)}`;
  const sessionPath = (id: string): string => `/sessions/${encodeURIComponent(id)}`;
  const named = <Put, Shown>(path: string): NamedCalls<Put, Shown> => createNamedCalls(call, path);
  return {
    tokens: {
      create: (body) => call("POST", "/tokens", { body }),
      list: (query = {}) => call("GET", "/tokens", { query }),
      get: (id) => call("GET", tokenPath(id)),
      self: () => call("GET", "/tokens/self"),
      update: (id, body) => call("PATCH", tokenPath(id), { body }),
      delete: (id, query = {}) => call("DELETE", tokenPath(id), { query }),
    },
    sessions: {
      list: (query = {}) => call("GET", "/sessions", { query }),
      get: (id) => call("GET", sessionPath(id)),
      create: (body) => call("POST", "/sessions", { body }),
      subscribe: (id, subscriptions) =>
        call("PUT", `${sessionPath(id)}/subscriptions`, { body: { subscriptions } }),
      unsubscribe: (id, filter) => call("DELETE", `${sessionPath(id)}/subscriptions`, { query: { filter } }),
      delete: (id, query = {}) => call("DELETE", sessionPath(id), { query }),
      deleteMany: (query) => call("DELETE", "/sessions", { query }),
    },
    messages: {
      publish: async (body) => {
        await call("POST", "/messages", { body });
      },
    },
    retained: {
      list: (query) => call("GET", "/retained", { query }),
      delete: (query) => call("DELETE", "/retained", { query }),
    },
    policies: named("policies"),
    groups: named("groups"),
    providers: named("providers"),
    histories: named("histories"),
    tenants: named("tenants"),
    revocations: { create: (body) => call("POST", "/revocations", { body }) },
    access: { explain: (body) => call("POST", "/access/explain", { body }) },
    audit: { list: (query = {}) => call("GET", "/audit", { query }) },
    tickets: { create: () => call("POST", "/tickets") },
    named,
    backups: {
      begin: (body = {}) => call("POST", "/backups", { body }),
      list: () => call("GET", "/backups"),
      get: (id) => call("GET", `/backups/${encodeURIComponent(id)}`),
    },
  };
}

function createNamedCalls<Put, Shown>(call: Call, collection: string): NamedCalls<Put, Shown> {
  const pathOf = (name: string): string => `/${collection}/${encodeURIComponent(name)}`;
  return {
    list: (query = {}) => call("GET", `/${collection}`, { query }),
    get: (name) => call("GET", pathOf(name)),
    put: (name, body, { ifNew } = {}) =>
      call("PUT", pathOf(name), { body, ...(ifNew && { headers: { "if-none-match": "*" } }) }),
    delete: (name) => call("DELETE", pathOf(name)),
  };
}

function createCall(options: WeirClientOptions): Call {
  const { token, tenant, timeoutMs = 30_000 } = options;
  const base = baseUrl(options.url);
  const fetch = options.fetch ?? platformFetch();
  const authorization = `Bearer ${headerText(token)}`;
  return async <T>(method: string, path: string, request: Request = {}): Promise<T> => {
    const { body } = request;
    const query = { ...request.query, tenant };
    const headers: Record<string, string> = { authorization, accept: "application/json", ...request.headers };
    if (body !== undefined) headers["content-type"] = "application/json";
    const response = await fetch(`${base}${path}${queryString(query)}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...timeoutSignal(timeoutMs),
    });
    return readAnswer<T>(response);
  };
}

/** An admin token may be any text. Headers are bytes, and `fetch` takes each character for one. */
function headerText(token: string): string {
  return encodeURIComponent(token).replace(/%../g, (byte) =>
    String.fromCharCode(Number.parseInt(byte.slice(1), 16)),
  );
}

async function readAnswer<T>(response: FetchResponse): Promise<T> {
  const text = await response.text();
  const isDone = response.status >= 200 && response.status < 300;
  if (isDone && text === "") return undefined as T;
  const answer = parseObject(text);
  if (isDone && answer) return answer as T;
  throw new ProblemError(response.status, answer ?? {});
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function baseUrl(url: string): string {
  if (!/^https?:\/\/[^/?#]+/i.test(url))
    throw new TypeError(`${JSON.stringify(url)} is not an http or https URL`);
  const path = url.replace(/[?#].*$/s, "").replace(/\/+$/, "");
  return path.endsWith("/api/v1") ? path : `${path}/api/v1`;
}

function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}=${encodeURIComponent(String(one))}`),
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function platformFetch(): Fetch {
  const platform = globalThis as { readonly fetch?: Fetch };
  if (!platform.fetch) throw new TypeError("this platform has no fetch; give one as an option");
  return platform.fetch.bind(globalThis);
}

function timeoutSignal(timeoutMs: number): { readonly signal?: never } {
  const platform = globalThis as { readonly AbortSignal?: { timeout?(ms: number): unknown } };
  const signal = platform.AbortSignal?.timeout?.(timeoutMs);
  return signal === undefined ? {} : { signal: signal as never };
}
