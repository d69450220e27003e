import { isShared, isTopicFilter } from "@weir/protocol";
import type { Principal } from "../core/access/principal.ts";
import { sinceForms } from "../core/history/since.ts";
import type { HistoryPage, HistoryRequest } from "../core/session/history-page.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import { type Caller, requireScope } from "./scope.ts";

export type { HistoryMessage, HistoryPage } from "../core/session/history-page.ts";

/** What is needed of the core. */
export interface HistoryPort {
  /** Undefined: `since` is none. */
  readHistory(principal: Principal, key: string, request: HistoryRequest): Promise<HistoryPage | undefined>;
}

/** Which key a history of a name is in force under. */
export interface HistoryKeys {
  keyOf(tenant: string, name: string): string | undefined;
}

/** Reads histories page by page; needs the scope `messages`, and the action `replay` as of now bounds it. */
export class HistoryReader {
  readonly #core: HistoryPort;
  readonly #keys: HistoryKeys;

  constructor(core: HistoryPort, keys: HistoryKeys) {
    this.#core = core;
    this.#keys = keys;
  }

  /** @throws {AdminError} */
  async read(
    caller: Caller,
    name: string,
    { since, filter, limit }: { since: string | undefined; filter: string | undefined; limit: number },
  ): Promise<HistoryPage> {
    requireScope(caller, "messages");
    const key = this.#keys.keyOf(caller.principal.tenant, name);
    if (key === undefined) throw new AdminError("not-found", "there is no history of this name");
    if (filter !== undefined && (!isTopicFilter(filter) || isShared(filter)))
      throw new AdminError("invalid", "filter: must be a topic filter such as data/#");
    const request = { since, topicFilter: filter, limit };
    const page = await settleInEngine(this.#core.readHistory(caller.principal, key, request));
    if (!page) throw new AdminError("invalid", `since: must be ${sinceForms}`);
    return page;
  }
}
