import type { Plain } from "../../core/ports/engine.ts";

const maxDepth = 64;

/** A deep copy, so that nobody changes what is stored. Throws TypeError for what no engine could store. */
export function copyPlain<T extends Plain>(value: T): T {
  return copy(value, 0) as T;
}

function copy(value: Plain, depth: number): Plain {
  if (typeof value !== "object" || value === null) return scalar(value);
  if (depth === maxDepth) throw new TypeError(`not plain data: more than ${maxDepth} levels, or a cycle`);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map((item: Plain) => copy(item, depth + 1));
  return copyObject(value as { readonly [key: string]: Plain }, depth);
}

function scalar(value: Plain): Plain {
  const type = typeof value;
  if (type === "function" || type === "symbol" || type === "bigint")
    throw new TypeError(`not plain data: a ${type}`);
  return value;
}

function copyObject(value: { readonly [key: string]: Plain }, depth: number): Plain {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError("not plain data: a class instance");
  const result: Record<string, Plain> = {};
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw new TypeError("not plain data: a key __proto__");
    result[key] = copy(value[key], depth + 1);
  }
  return result;
}
