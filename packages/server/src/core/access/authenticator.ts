import type { ReasonCode } from "@weir/protocol";
import type { Peer } from "../ports/transport.ts";
import type { Principal } from "./principal.ts";

/** The one Authentication Method of MQTT 5 that there is: the credential is its data. */
export const TOKEN_METHOD = "token";

/** What a client shows to be let in (product.md, "Credentials of a connection"). Never logged. */
export interface Credentials {
  readonly peer: Peer;
  /** The client id that the session will have; the broker's own choice where the client left it empty. */
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly authenticationMethod: string | undefined;
  readonly authenticationData: Uint8Array | undefined;
}

export type Authentication =
  | { readonly kind: "accepted"; readonly principal: Principal }
  | {
      readonly kind: "refused";
      /** An MQTT 5 CONNACK code; for older clients it is mapped to theirs. */
      readonly reasonCode: ReasonCode;
      /** A short stable word for metrics and the log: "bad-credential", "none", "client-id", … */
      readonly reason: string;
    };

export interface Authenticator {
  authenticate(credentials: Credentials): Promise<Authentication>;
  /**
   * Brings a principal that it gave out up to date, at once: its policy, its end. CONNECT calls it just before CONNACK,
   * since between the two no live change could reach it (semantics.md §1.8).
   */
  refresh(principal: Principal): void;
  /**
   * Whether a principal may go on with a session of its identity that another held last: a made token never with what
   * its minting token has not made (semantics.md §1.11).
   */
  mayResume(held: Principal, by: Principal): boolean;
}
