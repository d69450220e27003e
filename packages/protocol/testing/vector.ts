/** The packet vectors of eclipse/mosquitto (test/broker/data/*.json), as far as a codec can tell. */
export interface VectorGroup {
  readonly group: string;
  readonly disable?: boolean;
  readonly ver?: 3 | 4 | 5;
  readonly connect?: boolean;
  readonly expect_disconnect?: boolean;
  readonly tests: readonly VectorTest[];
}

export interface VectorTest {
  readonly name: string;
  readonly ver?: 3 | 4 | 5;
  readonly connect?: boolean;
  readonly expect_disconnect?: boolean;
  readonly msgs: readonly VectorMessage[];
}

export interface VectorMessage {
  readonly type: string;
  readonly payload: string;
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
