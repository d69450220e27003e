import { createCounters } from "../src/core/ports/telemetry.ts";
import type { Logger } from "../src/core/ports/telemetry.ts";
import type { Peer } from "../src/core/ports/transport.ts";
import { ConnectionHost } from "../src/connection/connection-host.ts";
import type { ConnectionHostOptions } from "../src/connection/connection-host.ts";
import { FakeClock } from "../../testkit/src/fake-clock.ts";
import { FakeStream } from "./fake-stream.ts";
import { RecordingCore } from "./recording-core.ts";
import type { RecordingClient } from "./recording-core.ts";

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const somePeer: Peer = { transport: "tcp", address: "192.0.2.1", port: 40_000 };

/** A host for connections to a recording core, on a clock that stands still. */
export interface HostFixture {
  readonly host: ConnectionHost;
  readonly core: RecordingCore;
  readonly clock: FakeClock;
}

export function createHost(options: Partial<ConnectionHostOptions> = {}): HostFixture {
  const core = new RecordingCore();
  const clock = new FakeClock();
  const host = new ConnectionHost({
    core,
    clock,
    counters: createCounters(),
    logger: silentLogger,
    limits: {},
    ...options,
  });
  return { host, core, clock };
}

export interface OpenedConnection extends HostFixture {
  readonly stream: FakeStream;
  readonly client: RecordingClient;
}

/** A connection over a stream in memory. */
export function openConnection(fixture: HostFixture = createHost()): OpenedConnection {
  const stream = new FakeStream();
  fixture.host.accept(stream, somePeer);
  return { ...fixture, stream, client: fixture.core.last };
}

/** The end of the current turn of the event loop, when connections flush. */
export function turnEnd(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
