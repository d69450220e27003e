import { ReasonCode } from "@weir/protocol";
import { type Credentials, TOKEN_METHOD } from "../access/authenticator.ts";
import type { Principal } from "../access/principal.ts";
import type { ServedConnection } from "./served-connection.ts";
import { formatUtc } from "./utc-time.ts";

interface Refusal {
  readonly reasonCode: ReasonCode;
  /** For metrics and the log. */
  readonly reason: string;
}

const notAuthorized = (reason: string): Refusal => ({ reasonCode: ReasonCode.notAuthorized, reason });

/**
 * Lets the connection go on under the principal of another credential of the same identity (semantics.md §1.13). Until
 * this resolves packets are handled under the old one; the swap falls between two packets. A JWT that was issued before
 * the present one changes nothing. Told on `$client/renewed`. Never rejects.
 *
 * @returns success, or why the connection keeps what it has
 */
export async function renew(connection: ServedConnection, credential: Uint8Array): Promise<ReasonCode> {
  const refusal = await tryToRenew(connection, credential);
  if (!connection.isOpen) return ReasonCode.notAuthorized;
  if (refusal) noteRefusal(connection, refusal);
  const { session } = connection;
  const { endsAtMs } = session.principal;
  if (refusal) session.tell("$client/renewed", { ok: false, code: refusal.reasonCode });
  else
    session.tell("$client/renewed", {
      ok: true,
      ...(endsAtMs !== Infinity && { expiresAt: formatUtc(endsAtMs) }),
    });
  return refusal?.reasonCode ?? ReasonCode.success;
}

async function tryToRenew(
  connection: ServedConnection,
  credential: Uint8Array,
): Promise<Refusal | undefined> {
  if (connection.isRenewing) return notAuthorized("renewal-under-way");
  connection.isRenewing = true;
  try {
    const outcome = await connection.services.authenticator.authenticate(
      credentialsOf(connection, credential),
    );
    if (outcome.kind === "refused") return notAuthorized(outcome.reason);
    return connection.isOpen ? swap(connection, outcome.principal) : undefined;
  } catch (error) {
    connection.services.logger.error(
      { session: connection.session.id, error: String(error) },
      "a credential could not be looked at",
    );
    return notAuthorized("unavailable");
  } finally {
    connection.isRenewing = false;
  }
}

/** What came with the WebSocket's upgrade was for CONNECT. */
function credentialsOf({ peer, session }: ServedConnection, credential: Uint8Array): Credentials {
  const { authorization: _, ticket: __, ...upgrade } = peer.upgrade ?? {};
  return {
    peer: { ...peer, ...(peer.upgrade && { upgrade }) },
    clientId: session.clientId,
    username: undefined,
    password: undefined,
    authenticationMethod: TOKEN_METHOD,
    authenticationData: credential.slice(), // the payload is a view of the packet
  };
}

function swap({ session, services }: ServedConnection, principal: Principal): Refusal | undefined {
  const { authenticator } = services;
  const present = session.principal;
  if (!isSameIdentity(present, principal)) return notAuthorized("another-identity");
  if (!authenticator.mayResume(present, principal)) return notAuthorized("foreign-session");
  if ((principal.issuedAtMs ?? Infinity) < (present.issuedAtMs ?? -Infinity)) return undefined;
  authenticator.refresh(principal);
  if (principal.ended) return notAuthorized("ended");
  session.renew(principal);
  return undefined;
}

function isSameIdentity(a: Principal, b: Principal): boolean {
  return (
    a.tenant === b.tenant &&
    a.identity.realm === b.identity.realm &&
    a.identity.subject === b.identity.subject &&
    a.clientId === b.clientId
  );
}

function noteRefusal({ services, session, peer }: ServedConnection, { reason }: Refusal): void {
  const { authFailures } = services.counters;
  authFailures[reason] = (authFailures[reason] ?? 0) + 1;
  services.logger.info({ session: session.id, address: peer.address, reason }, "a renewal was refused");
}
