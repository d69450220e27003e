import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** How the issuer answers: as it should, or badly. */
export type IssuerMood = "well" | "down" | "garbage" | "huge" | "redirect" | "empty";

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** What of a JWT is to be other than usual. */
export interface JwtOptions {
  readonly key?: SigningKey;
  readonly header?: Readonly<Record<string, unknown>>;
}

/** The same for all of a process: making one takes a while. */
let firstKey: Promise<SigningKey> | undefined;

/** A CIAM system on the loopback address that does as it is told: it rotates keys, goes down, lies. */
export class TestIssuer {
  readonly keys: SigningKey[] = [];
  mood: IssuerMood = "well";
  /** How often the JWKS was asked for. */
  fetches = 0;
  /** How often a token was introspected, and with which credentials. */
  readonly introspections: string[] = [];
  /** What an introspection says, by token. */
  readonly opaque = new Map<string, Readonly<Record<string, unknown>>>();
  /** Seconds since the epoch. */
  nowS: () => number = () => Math.floor(Date.now() / 1_000);
  readonly #server: Server;
  #keyCount = 1;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** With one key for RS256. */
  static async open(): Promise<TestIssuer> {
    const issuer = new TestIssuer();
    issuer.#server.listen(0, "127.0.0.1");
    await once(issuer.#server, "listening");
    issuer.keys.push(await (firstKey ??= newKey("RS256", "k1")));
    return issuer;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A provider object that takes what it signs for the audience `weir`. */
  provider(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return {
      issuer: this.url,
      audience: ["weir"],
      jwksUri: `${this.url}/jwks`,
      groupsClaim: "groups",
      ...more,
    };
  }

  async addKey(algorithm: string): Promise<SigningKey> {
    const key = await newKey(algorithm, `k${++this.#keyCount}`);
    this.keys.push(key);
    return key;
  }

  removeKey({ kid }: SigningKey): void {
    this.keys.splice(
      this.keys.findIndex((key) => key.kid === kid),
      1,
    );
  }

  /** What a JWT says without being told otherwise: for alice, an hour. A claim that is `undefined` is left out. */
  claims(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const nowS = this.nowS();
    return { iss: this.url, aud: "weir", sub: "alice", iat: nowS, exp: nowS + 3_600, ...more };
  }

  sign(more: Readonly<Record<string, unknown>> = {}, options: JwtOptions = {}): Promise<string> {
    const { key = this.keys[0], header } = options;
    if (!key) throw new Error("the issuer has no key");
    return new SignJWT(JSON.parse(JSON.stringify(this.claims(more))) as Record<string, unknown>)
      .setProtectedHeader({ alg: key.algorithm, kid: key.kid, ...header })
      .sign(key.privateKey);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.mood === "down") {
      request.destroy();
      return;
    }
    if (request.url === "/introspect") return this.#introspect(request, response);
    this.fetches++;
    switch (this.mood) {
      case "garbage":
        response.end("<html>maintenance</html>");
        return;
      case "huge":
        response.end(JSON.stringify({ keys: [], padding: "x".repeat(1_000_000) }));
        return;
      case "redirect":
        response.writeHead(302, { location: `${this.url}/elsewhere` }).end();
        return;
      case "empty":
        response.end(JSON.stringify({ keys: [] }));
        return;
      case "well":
        response.end(JSON.stringify({ keys: this.keys.map(({ publicJwk }) => publicJwk) }));
    }
  }

  async #introspect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    const basic = request.headers.authorization?.replace(/^Basic /, "") ?? "";
    this.introspections.push(Buffer.from(basic, "base64").toString());
    response.end(JSON.stringify(this.opaque.get(form.get("token") ?? "") ?? { active: false }));
  }
}

/** A key pair, known to nobody yet. */
export async function newKey(algorithm: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { kid, algorithm, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, use: "sig" } };
}
