import { type HistoryDeclaration, parseHistory } from "../history/history-declaration.ts";
import { NamedObjects, type NamedObjectsOptions } from "../objects/named-objects.ts";
import type { DeclaredHistory } from "./broker-core.ts";

/** Who puts histories in force; the core. */
interface HistoryKeeper {
  declareHistory(history: DeclaredHistory): void;
  withdrawHistory(tenant: string, key: string): void;
}

export interface HistoryBookOptions extends Pick<
  NamedObjectsOptions<HistoryDeclaration>,
  "kv" | "clock" | "logger" | "randomId"
> {
  /** By name; nobody changes these while the broker runs. */
  readonly configured: ReadonlyMap<string, HistoryDeclaration>;
  /** Whose the configured ones are. */
  readonly tenant: string;
}

/** Each one more is a look-up for each new topic, and memory for what it names. */
const maxHistories = 100;

/** All histories that are declared: those of the configuration, and those that operators put under a name. */
export class HistoryBook {
  readonly objects: NamedObjects<HistoryDeclaration>;
  readonly #options: HistoryBookOptions;

  constructor(options: HistoryBookOptions) {
    this.#options = options;
    this.objects = new NamedObjects({
      ...options,
      encode: (declaration) => ({ ...declaration }),
      decode: parseHistory,
      maxPerTenant: maxHistories,
    });
  }

  /** Resolves when all that operators have put are known. */
  open(): Promise<void> {
    return this.objects.open();
  }

  close(): void {
    this.objects.close();
  }

  isConfigured(tenant: string, name: string): boolean {
    return tenant === this.#options.tenant && this.#options.configured.has(name);
  }

  /** Those that are in force now. */
  *all(): Generator<DeclaredHistory> {
    const { tenant: ofConfigured, configured } = this.#options;
    for (const [name, declaration] of configured)
      yield { tenant: ofConfigured, key: configuredKey(name), declaration };
    for (const { tenant, object } of this.objects.all())
      yield { tenant, key: object.id, declaration: object.value };
  }

  /** The key under which the history of a name is in force. */
  keyOf(tenant: string, name: string): string | undefined {
    return this.isConfigured(tenant, name) ? configuredKey(name) : this.objects.get(tenant, name)?.id;
  }

  /** Lets the keeper follow what operators change from now on. */
  follow(keeper: HistoryKeeper): void {
    this.objects.onChange((tenant, _name, before, after) => {
      if (after) keeper.declareHistory({ tenant, key: after.id, declaration: after.value });
      if (before && before.id !== after?.id) keeper.withdrawHistory(tenant, before.id);
    });
  }
}

/** No id has a colon. */
function configuredKey(name: string): string {
  return `configuration:${name}`;
}
