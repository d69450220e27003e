import type { FastifyInstance } from "fastify";

interface KnownRoute {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** Which methods each address has: whoever uses another one is told so. */
export class RouteTable {
  readonly #routes = new Map<string, KnownRoute>();

  /** Learns of the routes that are added from now on. */
  follow(app: FastifyInstance): void {
    app.addHook("onRoute", ({ url, method }) => {
      const route = this.#routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
      for (const one of [method].flat()) route.methods.add(one);
      this.#routes.set(url, route);
    });
  }

  /** @param url may have a query. @returns none: there is nothing at this address, whatever the method */
  methodsAt(url: string): readonly string[] {
    const path = url.replace(/[?#].*$/s, "");
    const methods = [...this.#routes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((route) => [...route.methods]);
    return [...new Set(methods)].sort();
  }
}

/** `/tokens/:id` is any one segment there, `/topics/*` any rest. */
function patternOf(url: string): RegExp {
  const escaped = url.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll(/:\w+/g, "[^/]+").replaceAll("*", ".+")}$`, "s");
}
