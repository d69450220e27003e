import { ReasonCode } from "@weir/protocol";
import type { Authentication, Credentials } from "../core/access/authenticator.ts";
import { isLoopbackAddress } from "../core/access/ip-network.ts";
import { compilePolicy, Policy } from "../core/access/policy.ts";
import { type PolicyEntry, PolicyEntryError } from "../core/access/policy-entry.ts";
import { parseTemplate } from "../core/access/template.ts";
import type { PrincipalLimits } from "../core/access/principal-limits.ts";
import { isKnownHost, isSameOrigin } from "./known-host.ts";
import type { PrincipalSession } from "./principal-session.ts";
import type { TenantsOfAccess } from "./tenants-of-access.ts";

export interface AnonymousAccessOptions {
  readonly tenant: string;
  readonly tenants: TenantsOfAccess;
  /** Undefined: everything. */
  readonly acl: readonly PolicyEntry[] | undefined;
  /** Also for clients that are not on this machine. */
  readonly isOpenToNetwork: boolean;
  /** Names by which web pages may reach this server, besides localhost and its addresses. */
  readonly hostNames: readonly string[];
}

const REALM = "anonymous";
const none: PrincipalLimits = {};

/**
 * Lets clients in that show no valid credential: for trying out and for test suites. Web pages of other sites are kept
 * out, because any page that somebody opens could reach a broker on their machine.
 */
export class AnonymousAccess {
  readonly #options: AnonymousAccessOptions;
  readonly #policy: Policy;

  /** @throws {PolicyEntryError} if the ACL relies on who the client is: it chooses its client id and so its subject */
  constructor(options: AnonymousAccessOptions) {
    this.#options = options;
    if (options.acl) refuseIdentityIn(options.acl);
    this.#policy = options.acl
      ? compilePolicy(options.acl, { subject: "", clientId: "" })
      : Policy.everything;
  }

  authenticate(credentials: Credentials): Authentication {
    const reason = this.#refusal(credentials);
    if (reason !== undefined) return { kind: "refused", reasonCode: ReasonCode.notAuthorized, reason };
    const { clientId } = credentials;
    const identity = { realm: REALM, subject: "anonymous" };
    const { tenant } = this.#options;
    const rest = { policy: this.#policy, policyVersion: 0, endsAtMs: Infinity };
    return { kind: "accepted", principal: { tenant, identity, clientId, limits: this.#limits, ...rest } };
  }

  /** Gives a session that recovery has brought back the rights of now: its will and its share groups need them. */
  followIn(session: PrincipalSession): void {
    const { principal } = session;
    if (principal.identity.realm !== REALM) return;
    principal.limits = this.#limits;
    session.limitsChanged();
    if (principal.policy === this.#policy) return;
    principal.policy = this.#policy;
    principal.policyVersion++;
    session.policyChanged();
  }

  get #limits(): PrincipalLimits {
    const { tenants, tenant } = this.#options;
    return tenants.byId(tenant)?.limitsOfEach ?? none;
  }

  #refusal({ peer }: Credentials): string | undefined {
    if (!this.#options.isOpenToNetwork && !isLoopbackAddress(peer.address)) return "anonymous-network";
    if (peer.transport !== "ws" && peer.transport !== "wss") return undefined;
    const { host, origin } = peer.upgrade ?? {};
    if (!isKnownHost(host, this.#options.hostNames)) return "anonymous-host";
    return origin === undefined || isSameOrigin(origin, host) ? undefined : "anonymous-origin";
  }
}

function refuseIdentityIn(acl: readonly PolicyEntry[]): void {
  for (const [i, { topic }] of acl.entries()) {
    const placeholder = parseTemplate(topic).placeholders[0];
    if (placeholder === undefined) continue;
    throw new PolicyEntryError(
      `anonymous.acl[${i}].topic`,
      `holds \${${placeholder}}, which an anonymous client chooses itself; name the topics, or use access tokens`,
    );
  }
}
