import { createWeirClient } from "@weir/api";
import { describeWith } from "@weir/testkit";
import { connect, connectAsync } from "mqtt";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { positionTopic } from "./contract/index.ts";
import { CHROMIUM_FLAGS } from "./process/chromium-flags.ts";
import { type Driver, eventually, FleetFixture } from "./testing/fleet-fixture.ts";
import { FleetPage } from "./testing/fleet-page.ts";

const START_TIMEOUT_MS = 180_000;
const TEST_TIMEOUT_MS = 120_000;

let fixture: FleetFixture;

beforeAll(async () => {
  fixture = await FleetFixture.start({ hasWeb: true });
}, START_TIMEOUT_MS);

afterAll(async () => {
  await fixture.close();
}, START_TIMEOUT_MS);

/** The admin of the broker, for what no part of the fleet may do. */
function admin(): ReturnType<typeof createWeirClient> {
  return createWeirClient({ url: fixture.fleet.brokerUrl, token: fixture.fleet.secrets.adminToken });
}

describe("a tracker", { timeout: TEST_TIMEOUT_MS }, () => {
  let driver: Driver;

  beforeAll(async () => {
    driver = await fixture.driver("Dora");
  });

  test("reports over HTTP in the OsmAnd form, by GET and by POST, and is stored", async () => {
    const { device, sensor } = driver;
    const timestamp = 1_790_000_000;
    expect(await fixture.report(device, { lat: 53.4, lon: -2.9, timestamp, speed: 10, bearing: 90 })).toBe(
      200,
    );
    const posted = await fetch(fixture.fleet.ingestUrl, {
      method: "POST",
      body: new URLSearchParams({
        id: device.deviceId,
        lat: "53.5",
        lon: "-2.8",
        timestamp: `${timestamp + 1}`,
      }),
    });
    expect(posted.status).toBe(200);
    const stored = await eventually(
      () => fixture.stored(sensor.id),
      ({ length }) => length === 2,
    );
    expect(stored).toEqual([
      { at: "2026-09-21T14:13:20.000Z", lat: 53.4, lon: -2.9, speed: 18.5, bearing: 90 },
      { at: "2026-09-21T14:13:21.000Z", lat: 53.5, lon: -2.8, speed: null, bearing: null },
    ]);
  });

  test.each([
    [{ lat: 91, lon: 0 }, "lat"],
    [{ lat: 1, lon: "west" }, "lon"],
    [{ lat: 1, lon: 1, timestamp: "yesterday" }, "timestamp"],
    [{ lat: 1, lon: 1, speed: "fast" }, "speed"],
    [{ lat: 1, lon: 1, id: "somebody-else" }, "id"],
    [{ lat: 1 }, "lon"],
  ])("that reports %j gets 400, and is told of %s", async (fields, reason) => {
    const query = new URLSearchParams({ id: driver.device.deviceId });
    for (const [name, value] of Object.entries(fields)) query.set(name, String(value));
    const response = await fetch(`${fixture.fleet.ingestUrl}/?${query.toString()}`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(reason);
  });

  test("reports over MQTT with its own token, and finds the commands that came while it was off", async () => {
    const { client, device, sensor } = await fixture.driver("Mia");
    const options = {
      protocolVersion: 5,
      clientId: "tracker-1",
      clean: false,
      username: device.token,
      properties: { sessionExpiryInterval: 3_600 },
    } as const;
    const url = `mqtt://127.0.0.1:${fixture.fleet.ports.mqtt}`;
    const tracker = await connectAsync(url, options);
    await tracker.subscribeAsync(device.commandsFrom, { qos: 1 });
    await tracker.publishAsync(device.publishTo, JSON.stringify({ lat: 53.41, lon: -2.97, speed: 5 }), {
      qos: 1,
    });
    await eventually(
      () => fixture.stored(sensor.id),
      ({ length }) => length === 1,
    );
    await tracker.endAsync();
    const { mqtt, user } = client.loggedIn;
    const page = await connectAsync(mqtt.url, { protocolVersion: 5, username: mqtt.token });
    const command = { command: "horn", seconds: 2 };
    await page.publishAsync(`cmd/${user.id}/${sensor.id}`, JSON.stringify(command), { qos: 1 });
    await page.endAsync();
    const got = Promise.withResolvers<string>();
    const back = connect(url, options); // what waited comes right behind CONNACK
    back.on("message", (_topic, payload) => got.resolve(payload.toString()));
    expect(JSON.parse(await got.promise)).toEqual(command);
    await back.endAsync();
  });
});

describe("the services", { timeout: TEST_TIMEOUT_MS }, () => {
  test("store every position once, though the storage and then the broker are killed while they come", async () => {
    const { device, sensor } = await fixture.driver("Kim");
    const { fleet } = fixture;
    const startMs = Date.UTC(2026, 9, 1);
    const total = 300;
    for (let second = 0; second < total; second++) {
      const fields = { lat: 53 + second / 1e4, lon: -3, timestamp: startMs + second * 1_000 };
      if (second === 60) kill(fleet.part("storage").pid);
      if (second === 150) kill(fleet.part("broker").pid);
      await eventually(
        () => fixture.report(device, fields),
        (status) => status === 200,
      );
    }
    const stored = await eventually(
      () => fixture.stored(sensor.id),
      ({ length }) => length >= total,
    );
    expect(stored.map(({ at }) => Date.parse(at))).toEqual(
      Array.from({ length: total }, (_, second) => startMs + second * 1_000),
    );
  });

  test("forget the last position of a sensor that is deleted, and let its device in no longer", async () => {
    const { client, device, sensor } = await fixture.driver("Dee");
    await fixture.report(device, { lat: 53.4, lon: -2.9 });
    const topic = positionTopic(client.loggedIn.user.id, sensor.id);
    const retained = async (): Promise<number> =>
      (await admin().retained.list({ filter: topic })).items.length;
    await eventually(retained, (count) => count === 1);
    await client.call("DELETE", `/api/sensors/${sensor.id}`);
    await eventually(retained, (count) => count === 0);
    const status = await eventually(
      () => fixture.report(device, { lat: 53.4, lon: -2.9 }),
      (answer) => answer !== 200,
    );
    expect(status).toBe(400);
  });
});

describeWith("chromium", "the web application", (executablePath) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser.close();
  });

  test("shows two users side by side each their own, live", { timeout: TEST_TIMEOUT_MS }, async () => {
    const [ann, ben] = [await fixture.driver("Ann"), await fixture.driver("Ben")];
    const pages = [
      await FleetPage.open(browser, fixture.fleet.url),
      await FleetPage.open(browser, fixture.fleet.url),
    ];
    const [annPage, benPage] = pages as [FleetPage, FleetPage];
    await annPage.logIn(ann);
    await benPage.logIn(ben);
    await annPage.shows("Ann's van");
    await benPage.shows("Ben's van");
    await fixture.report(ann.device, { lat: 53.41, lon: -2.95, speed: 20 });
    await annPage.rowSays(ann.sensor.id, "37 km/h");
    await fixture.report(ben.device, { lat: 53.42, lon: -2.94, speed: 30 });
    await benPage.rowSays(ben.sensor.id, "56 km/h");
    await annPage.shows("Ann's van");
    expect([...annPage.errors, ...benPage.errors]).toEqual([]);
    await Promise.all(pages.map((page) => page.close()));
  });

  test("gives a user who tries the console nothing of others", { timeout: TEST_TIMEOUT_MS }, async () => {
    const [eve, dan] = [await fixture.driver("Eve"), await fixture.driver("Dan")];
    const page = await FleetPage.open(browser, fixture.fleet.url);
    await page.logIn(eve);
    const seen = page.page.evaluate<string[]>(SUBSCRIBE_TO_EVERYTHING);
    await eventually(
      () => page.page.evaluate("globalThis.subscribed === true"),
      (isSubscribed) => isSubscribed === true,
    );
    await eventually(
      () => fixture.report(dan.device, { lat: 53.4, lon: -2.9 }),
      (status) => status === 200,
    );
    await fixture.report(eve.device, { lat: 53.4, lon: -2.9 });
    const topics = await seen;
    expect(topics).toContain(positionTopic(eve.client.loggedIn.user.id, eve.sensor.id));
    expect(topics.filter((topic) => topic.includes(dan.sensor.id))).toEqual([]);
    await page.close();
  });

  test(
    "shows a vehicle as soon as it is shared, and no longer than that",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const [owner, reader] = [await fixture.driver("Olga"), await fixture.driver("Rick")];
      await fixture.report(owner.device, { lat: 53.43, lon: -2.93, speed: 40 });
      const page = await FleetPage.open(browser, fixture.fleet.url);
      await page.logIn(reader);
      await page.shows("Rick's van");
      const connections = await countConnections(reader);
      await owner.client.call("PUT", `/api/sensors/${owner.sensor.id}/readers`, { email: reader.email });
      await page.shows("Olga's van", "Rick's van");
      await page.rowSays(owner.sensor.id, "74 km/h");
      await fixture.report(owner.device, { lat: 53.44, lon: -2.93, speed: 50 });
      await page.rowSays(owner.sensor.id, "93 km/h");
      await owner.client.call(
        "DELETE",
        `/api/sensors/${owner.sensor.id}/readers/${reader.client.loggedIn.user.id}`,
      );
      await page.shows("Rick's van");
      expect(await countConnections(reader)).toEqual(connections);
      await page.close();
    },
  );

  test(
    "is signed out at once when the login ends elsewhere, or its token is deleted",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const driver = await fixture.driver("Lena");
      const page = await FleetPage.open(browser, fixture.fleet.url);
      await page.logIn(driver);
      const other = await page.context.newPage();
      await other.goto(fixture.fleet.url);
      await other.locator("[data-state=live]").waitFor();
      await other.getByRole("button", { name: "Log out" }).click();
      await page.page.getByText("You have been signed out.").waitFor();
      await page.logIn(driver);
      const { items } = await admin().sessions.list({ subject: `user:${driver.client.loggedIn.user.id}` });
      const tokens = items.flatMap(({ connected, token }) => (connected && token ? [token] : []));
      expect(tokens.length).toBeGreaterThan(0);
      for (const token of new Set(tokens)) await admin().tokens.delete(token);
      await page.page.getByText("You have been signed out.").waitFor();
      await page.close();
    },
  );

  test(
    "raises an alarm at a drawn border, and keeps those that come while it is closed",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const driver = await fixture.driver("Gina");
      await fixture.report(driver.device, { lat: 53.4, lon: -2.9, timestamp: Date.now() - 60_000 });
      const opened = await FleetPage.open(browser, fixture.fleet.url);
      const { page } = opened;
      await opened.logIn(driver);
      await page.getByRole("button", { name: "Areas" }).click();
      await page.getByRole("button", { name: "Draw an area" }).click();
      for (const [x, y] of [
        [700, 300],
        [1_000, 300],
        [1_000, 600],
        [700, 600],
      ] as const)
        await page.locator("canvas").click({ position: { x, y } });
      await page.getByLabel("Name").fill("Depot");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("button", { name: "Delete Depot" }).waitFor();
      const fences = (await driver.client.call("GET", "/api/geofences")) as {
        geofences: { id: string; corners: [number, number][] }[];
      };
      const { id, corners } = fences.geofences[0] as (typeof fences.geofences)[0];
      await crossUntilSeen(driver, id, corners);
      await page.getByRole("button", { name: "Alarms" }).click();
      await page.locator("[data-alarm]", { hasText: "Depot" }).first().waitFor();
      const again = await opened.reopen(async () => {
        const before = await alarmsOf(driver);
        await fixture.report(driver.device, { lat: 10, lon: 10 });
        await eventually(
          () => alarmsOf(driver),
          (count) => count > before,
        );
      });
      await again.locator(".count.hot", { hasText: "1" }).waitFor();
      await again.getByRole("button", { name: "Alarms" }).click();
      await again.locator("[data-alarm]", { hasText: "left Depot" }).first().waitFor();
      await opened.close();
    },
  );

  test(
    "recovers by itself from a killed broker, and its track has no gap",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const driver = await fixture.driver("Tess");
      const sent = await drive(driver, 20);
      const opened = await FleetPage.open(browser, fixture.fleet.url);
      await opened.logIn(driver);
      await opened.page.locator(`[data-sensor="${driver.sensor.id}"]`).click();
      await trackHas(opened, 20);
      kill(fixture.fleet.part("broker").pid);
      const later = await drive(driver, 20);
      await opened.live();
      const last = await drive(driver, 5);
      await trackHas(opened, 45);
      const stored = await eventually(
        () => fixture.stored(driver.sensor.id),
        ({ length }) => length >= 45,
      );
      expect(stored.map(({ at }) => Date.parse(at))).toEqual([...sent, ...later, ...last]);
      expect(opened.errors).toEqual([]);
      await opened.close();
    },
  );
});

function kill(pid: number | undefined): void {
  if (pid === undefined) throw new Error("the part is not running");
  process.kill(pid, "SIGKILL");
}

let lastReportMs = Date.now() - 600_000;

/** Sends positions, each as often as it takes; gives their times. */
async function drive({ device }: Driver, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let step = 0; step < count; step++) {
    const timestamp = (lastReportMs += 1_000);
    await eventually(
      () => fixture.report(device, { lat: 53.4 + step / 1_000, lon: -2.9, timestamp }),
      (status) => status === 200,
    );
    times.push(timestamp);
  }
  return times;
}

async function trackHas({ page }: FleetPage, count: number): Promise<void> {
  await page.locator(`[data-track="${count}"]`).waitFor();
}

/** Drives in and out of the area until the alarm service, which looks for new areas now and then, has seen it. */
async function crossUntilSeen(driver: Driver, areaId: string, corners: [number, number][]): Promise<void> {
  const middle = (index: 0 | 1): number =>
    corners.reduce((sum, corner) => sum + corner[index], 0) / corners.length;
  const places = [
    { lat: 10, lon: 10 },
    { lat: middle(0), lon: middle(1) },
  ];
  let turn = 0;
  await eventually(
    async () => {
      await fixture.report(driver.device, places[turn++ % 2] as { lat: number; lon: number });
      const rows = await fixture.db
        .selectFrom("alarms")
        .select("kind")
        .where("geofence_id", "=", areaId)
        .execute();
      return rows.filter(({ kind }) => kind === "entered").length;
    },
    (entered) => entered > 0 && turn % 2 === 0,
  );
}

async function alarmsOf({ client }: Driver): Promise<number> {
  const { alarms } = (await client.call("GET", "/api/alarms")) as { alarms: unknown[] };
  return alarms.length;
}

/** When the user's connections began: a new connection has another time. */
async function countConnections({ client }: Driver): Promise<(string | undefined)[]> {
  const { items } = await admin().sessions.list({ subject: `user:${client.loggedIn.user.id}` });
  return items.filter(({ connected }) => connected).map(({ connectedSince }) => connectedSince);
}

/**
 * Runs in the page: what somebody with the console would try, with the page's own MQTT.js and token. A text, since the
 * test's own build would put other words for `import`.
 */
const SUBSCRIBE_TO_EVERYTHING = `(async () => {
  const { mqtt: access } = JSON.parse(localStorage.getItem("fleet-login"));
  const chunk = performance.getEntriesByType("resource").find(({ name }) => /\\/mqtt[^/]*\\.js$/.test(name));
  const { default: mqtt } = await import(chunk.name);
  const client = await mqtt.connectAsync(access.url, { protocolVersion: 5, username: access.token });
  const topics = [];
  client.on("message", (topic) => topics.push(topic));
  for (const filter of ["#", "data/#", "data/+/+", "+/+/+", "$SYS/#"])
    await client.subscribeAsync(filter).catch(() => undefined);
  globalThis.subscribed = true;
  await new Promise((resolve) => setTimeout(resolve, 3000));
  return topics;
})()`;
