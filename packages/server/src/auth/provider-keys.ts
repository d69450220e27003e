import type { JwtAlgorithm, ProviderKeys } from "../core/access/oauth-provider.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { JwksSource } from "./jwks-source.ts";
import { KeyRing, PublicKey, SecretKey, type VerificationKey } from "./key-ring.ts";

export interface ProviderKeySourceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetchJson: (url: string) => Promise<unknown>;
  /** A key has left, so that sessions have to be looked at. */
  readonly onGone: () => void;
}

/** Whether a key still counts; `unknown`: its issuer has not been heard yet. */
export type KeyState = "current" | "gone" | "unknown";

/** Where the keys of one provider come from. */
export interface ProviderKeySource {
  /** Undefined: there is none that fits, also not after looking again. */
  find(kid: string | undefined, algorithm: JwtAlgorithm): Promise<VerificationKey | undefined>;
  /** @param thumbprint undefined: known by its name alone, after a restart */
  stateOf(thumbprint: string | undefined, kid: string | undefined): KeyState;
  /** No key can be had now. */
  readonly isUnavailable: boolean;
  readonly problem: string | undefined;
  stop(): void;
}

export function openKeySource(keys: ProviderKeys, options: ProviderKeySourceOptions): ProviderKeySource {
  switch (keys.kind) {
    case "jwks":
      return new JwksKeys(
        new JwksSource({ ...options, uri: keys.uri, refreshIntervalS: keys.refreshIntervalS }),
      );
    case "static":
      return new FixedKeys(new KeyRing(keys.keys.map((key) => new PublicKey(key))));
    case "hmac":
      return new SecretKeys(new SecretKey(keys.secret));
    case "none":
      return new FixedKeys(new KeyRing([]));
  }
}

class FixedKeys implements ProviderKeySource {
  readonly isUnavailable = false;
  readonly problem: undefined;
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  find(kid: string | undefined, algorithm: JwtAlgorithm): Promise<VerificationKey | undefined> {
    return Promise.resolve(this.#ring.find(kid, algorithm));
  }

  stateOf(thumbprint: string | undefined, kid: string | undefined): KeyState {
    return stateIn(this.#ring, thumbprint, kid);
  }

  stop(): void {}
}

/** The secret has no name: a JWT may say any. */
class SecretKeys implements ProviderKeySource {
  readonly isUnavailable = false;
  readonly problem: undefined;
  readonly #key: SecretKey;

  constructor(key: SecretKey) {
    this.#key = key;
  }

  find(_kid: string | undefined, algorithm: JwtAlgorithm): Promise<VerificationKey | undefined> {
    return Promise.resolve(algorithm.startsWith("HS") ? this.#key : undefined);
  }

  stateOf(thumbprint: string | undefined): KeyState {
    return thumbprint === undefined || thumbprint === this.#key.thumbprint ? "current" : "gone";
  }

  stop(): void {}
}

class JwksKeys implements ProviderKeySource {
  readonly #source: JwksSource;

  constructor(source: JwksSource) {
    this.#source = source;
  }

  get isUnavailable(): boolean {
    return this.#source.ring === undefined;
  }

  get problem(): string | undefined {
    return this.#source.problem;
  }

  async find(kid: string | undefined, algorithm: JwtAlgorithm): Promise<VerificationKey | undefined> {
    const known = this.#source.ring?.find(kid, algorithm);
    if (known) return known;
    await this.#source.lookAgain();
    return this.#source.ring?.find(kid, algorithm);
  }

  stateOf(thumbprint: string | undefined, kid: string | undefined): KeyState {
    const { ring } = this.#source;
    return ring ? stateIn(ring, thumbprint, kid) : "unknown";
  }

  stop(): void {
    this.#source.stop();
  }
}

function stateIn(ring: KeyRing, thumbprint: string | undefined, kid: string | undefined): KeyState {
  const isThere = thumbprint === undefined ? kid === undefined || ring.hasName(kid) : ring.has(thumbprint);
  return isThere ? "current" : "gone";
}
