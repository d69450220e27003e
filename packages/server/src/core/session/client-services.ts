import type { Authenticator } from "../access/authenticator.ts";
import type { Clock } from "../ports/clock.ts";
import type { Counters, Logger } from "../ports/telemetry.ts";
import type { Limits } from "./limits.ts";
import type { SessionDirectory } from "./session-directory.ts";
import type { TenantSpace } from "./tenant-space.ts";

/** What the handling of a client's packets needs of the broker. */
export interface ClientServices {
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly directory: SessionDirectory;
  readonly randomId: () => string;
  /** Throws where there is no such tenant. */
  readonly spaceOf: (tenant: string) => TenantSpace;
  /** False while the broker is starting or stopping: CONNECT is refused with 0x88. */
  readonly isServing: () => boolean;
  readonly connectionCount: () => number;
  /** New durable state is refused (semantics.md §2.12). */
  readonly isDiskFull: () => boolean;
}
