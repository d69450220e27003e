import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the packet vectors of eclipse/mosquitto (test/broker/data/*.json) lie, if they do: beside the repository. */
export const vectorDirectory: string = fileURLToPath(
  new URL("../../../../shared/data/mqtt-vectors/", import.meta.url),
);

interface VectorGroup {
  readonly group: string;
  readonly disable?: boolean;
  readonly ver?: 3 | 4 | 5;
  readonly connect?: boolean;
  readonly expect_disconnect?: boolean;
  readonly tests: readonly VectorTest[];
}

interface VectorTest {
  readonly name: string;
  readonly ver?: 3 | 4 | 5;
  readonly connect?: boolean;
  readonly expect_disconnect?: boolean;
  readonly msgs: readonly VectorMessage[];
}

export type VectorMessage =
  | { readonly type: "send"; readonly payload: string }
  | { readonly type: "recv"; readonly payload: string }
  /** Published by another client. */
  | {
      readonly type: "external_publish";
      readonly topic: string;
      readonly payload: string;
      readonly qos: 0 | 1 | 2;
      readonly retain?: boolean;
    };

/** What goes over one connection. */
export interface Vector {
  readonly title: string;
  readonly version: 3 | 4 | 5;
  /** An accepted CONNECT comes first. */
  readonly isConnected: boolean;
  readonly endsInClose: boolean;
  readonly messages: readonly VectorMessage[];
}

/** All that are not disabled. */
export function loadVectors(): Vector[] {
  const files = readdirSync(vectorDirectory).filter((name) => name.endsWith(".json"));
  const groups = files
    .toSorted()
    .flatMap((name) => JSON.parse(readFileSync(`${vectorDirectory}${name}`, "utf8")) as VectorGroup[]);
  return groups.filter((group) => group.disable !== true).flatMap(vectorsOf);
}

function vectorsOf(group: VectorGroup): Vector[] {
  return group.tests.map((test) => ({
    title: `${group.group.replaceAll(/\s+/g, " ")} ${test.name.trim()}`,
    version: test.ver ?? group.ver ?? 4,
    isConnected: test.connect ?? group.connect ?? true,
    endsInClose: test.expect_disconnect ?? group.expect_disconnect ?? true,
    messages: test.msgs,
  }));
}

/**
 * The bytes of a vector's text: hexadecimal digits; `i` and a number of 8 bits; `H`, `k`, `m`, `s` and one of 16;
 * `L` and one of 32; `v`, `r` and a variable byte integer; a text in single quotes.
 */
export function parseVectorBytes(text: string): Uint8Array {
  const tokens = text.match(/'[^']*'|\S+/g) ?? [];
  return Uint8Array.from(tokens.flatMap(bytesOfToken));
}

function bytesOfToken(token: string): number[] {
  if (token.startsWith("'")) return [...Buffer.from(token.slice(1, -1))];
  const value = Number(token.slice(1));
  switch (token[0]) {
    case "i":
      return [value];
    case "H":
    case "k":
    case "m":
    case "s":
      return [value >>> 8, value & 0xff];
    case "L":
      return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
    case "v":
    case "r":
      return variableBytes(value);
    default:
      return [...Buffer.from(token, "hex")];
  }
}

// One of the vectors asks for 268,435,456, which takes 5 bytes and no packet may have
function variableBytes(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...variableBytes(Math.floor(value / 128))];
}
