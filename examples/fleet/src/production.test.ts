import { describeWith } from "@weir/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackendClient } from "./launcher/backend-client.ts";
import { PartProcess } from "./launcher/part-process.ts";
import { freePort } from "./process/free-port.ts";
import { type Driver, eventually, FleetFixture } from "./testing/fleet-fixture.ts";
import { RealHaproxy } from "./testing/real-haproxy.ts";
import { RealPostgres } from "./testing/real-postgres.ts";

const START_TIMEOUT_MS = 180_000;
const TEST_TIMEOUT_MS = 120_000;

describeWith("postgres", "the fleet on PostgreSQL", (postgres) => {
  let database: RealPostgres;
  let fixture: FleetFixture;

  beforeAll(async () => {
    database = await RealPostgres.start(postgres);
    fixture = await FleetFixture.start({ databaseUrl: database.url });
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await fixture.close();
    await database.close();
  }, START_TIMEOUT_MS);

  test("runs on a real one", async () => {
    const { rows } = await sql<{ version: string }>`select version()`.execute(fixture.db);
    expect(rows[0]?.version).toMatch(/^PostgreSQL \d+.* on .*linux/);
  });

  test("stores what trackers send, shares it, and raises alarms", { timeout: TEST_TIMEOUT_MS }, async () => {
    const [owner, reader] = [await fixture.driver("Paul"), await fixture.driver("Rita")];
    const corners = [
      [1, 1],
      [1, 2],
      [2, 2],
      [2, 1],
    ];
    await reader.client.call("POST", "/api/geofences", { name: "Square", corners });
    await owner.client.call("PUT", `/api/sensors/${owner.sensor.id}/readers`, { email: reader.email });
    let lat = 0;
    await eventually(
      async () => {
        lat = lat === 0 ? 1.5 : 0;
        await fixture.report(owner.device, { lat, lon: 1.5 });
        return (await reader.client.call("GET", "/api/alarms")) as { alarms: { kind: string }[] };
      },
      ({ alarms }) => alarms.some(({ kind }) => kind === "entered"),
    );
    const seen = await reader.client.sensors();
    expect(seen.map(({ name }) => name)).toEqual(["Paul's van", "Rita's van"]);
    expect(seen[0]?.lastPosition).toMatchObject({ lon: 1.5 });
    await reader.client.call("DELETE", "/api/session");
    await expect(reader.client.sensors()).rejects.toThrow("signed-out");
  });

  describeWith("haproxy", "with two backends behind haproxy", (haproxy) => {
    let second: PartProcess;
    let proxy: RealHaproxy;
    let driver: Driver;

    beforeAll(async () => {
      const port = await freePort();
      second = new PartProcess({
        ...fixture.fleet.backendPart(port),
        name: "second backend",
        onLine: () => undefined,
      });
      await second.start();
      proxy = await RealHaproxy.start(haproxy, [fixture.fleet.ports.app, port]);
      driver = await fixture.driver("Hans");
    }, START_TIMEOUT_MS);

    afterAll(async () => {
      await proxy.close();
      await second.stop();
    }, START_TIMEOUT_MS);

    test(
      "both give the same answers to somebody who logged in at either",
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        const client = await BackendClient.logIn(proxy.url, driver.email, driver.password);
        const served = new Set<string>();
        const answers = new Set<string>();
        for (let request = 0; request < 6; request++) {
          const response = await client.fetch("GET", "/api/sensors");
          served.add(response.headers.get("x-served-by") ?? "");
          answers.add(await response.text());
        }
        expect([...served].sort()).toEqual(["backend1", "backend2"]);
        expect(answers.size).toBe(1);
        await client.call("DELETE", "/api/session");
        for (let request = 0; request < 2; request++)
          await expect(client.sensors()).rejects.toThrow("signed-out");
      },
    );
  });
});
