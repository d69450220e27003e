import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describeWith } from "@weir/testkit";
import { connectAsync, type IPublishPacket, type MqttClient, type Packet } from "mqtt";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WeirProcess } from "../../testing/weir-process.ts";
import { CHROMIUM_FLAGS } from "../../testing/chromium-flags.ts";
import { openDemo, type Demo } from "./demo.ts";
import type { DemoUser } from "./demo-users.ts";

/** Run in the page, where there is a document; as a text, because here there is none. */
const BUS_PLACES = `[...document.querySelectorAll("#map .bus")].map((bus) => bus.getAttribute("transform")).join()`;

const run = promisify(execFile);

let demo: Demo;
beforeAll(async () => {
  demo = await openDemo({ mqttPort: 0, httpPort: 0, speed: 200 });
});
afterAll(() => demo.close());

function user(name: string): DemoUser {
  const found = demo.users.find((one) => one.name === name);
  if (!found) throw new Error(`There is no user ${name}`);
  return found;
}

/** The options of a client that connects as a user. */
function as(name: string): string[] {
  return ["-p", String(demo.addresses.mqtt.port), "-u", user(name).key];
}

const mqttUrl = (): string => `mqtt://127.0.0.1:${demo.addresses.mqtt.port}`;
const webSocketUrl = (): string => `ws://127.0.0.1:${demo.addresses.http.port}/mqtt`;

/** A client that noted every message from its first on. */
async function watchingClient(
  url: string,
  key: string,
  filter: string,
): Promise<{ client: MqttClient; topics: string[]; suback: Packet | undefined }> {
  const topics: string[] = [];
  let suback: Packet | undefined;
  const client = await connectAsync(url, { protocolVersion: 5, username: key, reconnectPeriod: 0 });
  client.on("message", (topic: string, _payload: Buffer, _packet: IPublishPacket) => topics.push(topic));
  client.on("packetreceive", (packet) => {
    if (packet.cmd === "suback") suback = packet;
  });
  await client.subscribeAsync(filter, { qos: 1 }).catch(() => undefined);
  return { client, topics, suback };
}

describe.each([
  ["TCP", mqttUrl],
  ["WebSocket", webSocketUrl],
])("MQTT.js over %s", (_name, url) => {
  test.each(["alice", "bob", "carol"])(
    "%s asks for # and gets their own buses, all of them, and only them",
    async (name) => {
      const { buses, key } = user(name);
      const { client, topics, suback } = await watchingClient(url(), key, "#");
      const own = buses.map((bus) => `data/${name}/${bus}`);
      await expect.poll(() => own.every((topic) => topics.includes(topic)), { timeout: 10_000 }).toBe(true);
      const before = topics.length;
      await expect.poll(() => topics.length, { timeout: 15_000 }).toBeGreaterThan(before + 5);
      expect(new Set(topics)).toEqual(new Set(own));
      expect(suback).toMatchObject({
        properties: { userProperties: { "effective-filter": `data/${name}/#` } },
      });
      await client.endAsync();
    },
  );

  test("alice is refused bob's buses with 0x87 [MQTT-3.9.3]", async () => {
    const { client, topics, suback } = await watchingClient(url(), user("alice").key, "data/bob/#");
    expect(suback).toMatchObject({ granted: [0x87] });
    expect(topics).toEqual([]);
    await client.endAsync();
  });

  test("alice may not publish, not even to her own topics", async () => {
    const client = await connectAsync(url(), {
      protocolVersion: 5,
      username: user("alice").key,
      reconnectPeriod: 0,
    });
    await expect(client.publishAsync("data/alice/4716", "false", { qos: 1 })).rejects.toMatchObject({
      code: 0x87,
    });
    await client.endAsync();
  });
});

describe("the command line", () => {
  test("weir sub prints bob's buses, and says on stderr what # came to", async () => {
    await using subscriber = new WeirProcess([
      "sub",
      "-p",
      String(demo.addresses.mqtt.port),
      "-u",
      user("bob").key,
      "-t",
      "#",
      "-F",
      "%t",
      "-C",
      "10",
      "-W",
      "20",
    ]);
    const { exitCode, stdout, stderr } = await subscriber.ended;
    expect(exitCode).toBe(0);
    expect(stderr).toBe("'#' is narrowed to what you may read: data/bob/#\n");
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .every((topic) => topic.startsWith("data/bob/")),
    ).toBe(true);
  });

  test("weir demo shows the lines to paste, and Ctrl-C ends it with 0", async () => {
    await using process = new WeirProcess(["demo", "--mqtt-port", "0", "--http-port", "0"]);
    const [, page = ""] = await process.until(/page +(http:\S+user=carol#weir_\S+)/);
    await process.until(/mosquitto_sub -h 127\.0\.0\.1 -p \d+ -u weir_\S+ -t '#' -v/);
    await process.until(/\.\/bin\/weir sub -p \d+ -u weir_\S+ -t '#' -v/);
    expect((await fetch(page)).status).toBe(200);
    process.signal("SIGINT");
    expect((await process.ended).exitCode).toBe(0);
  });

  test("weir demo names the remedy when a port is taken", async () => {
    await using process = new WeirProcess([
      "demo",
      "--mqtt-port",
      String(demo.addresses.mqtt.port),
      "--http-port",
      "0",
    ]);
    const { exitCode, stderr } = await process.ended;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/EADDRINUSE[^]*npm start -- --mqtt-port 1884/);
  });

  describeWith("mosquitto_sub", "mosquitto_sub", (mosquittoSub) => {
    test.each(["mqttv31", "mqttv311", "mqttv5"])("watches as carol, %s", async (version) => {
      const { stdout } = await run(mosquittoSub, [
        ...as("carol"),
        "-V",
        version,
        "-t",
        "#",
        "-F",
        "%t",
        "-C",
        "6",
        "-W",
        "20",
      ]);
      expect(new Set(stdout.trim().split("\n"))).toEqual(new Set(["data/carol/4722", "data/carol/4842"]));
    });
  });
});

describe("the page's files", () => {
  test("no page, script or answer holds a token, and no other host is named in a script's address", async () => {
    const base = `http://127.0.0.1:${demo.addresses.http.port}/demo/`;
    const html = await (await fetch(base)).text();
    expect(html).not.toMatch(/<script(?![^>]*src="main\.ts")/);
    expect(html).not.toMatch(/(src|href)="https?:/);
    for (const name of ["", "main.ts", "roads.json"]) {
      const text = await (await fetch(`${base}${name}`)).text();
      for (const { key } of demo.users) expect(text).not.toContain(key);
    }
  });
});

describeWith("chromium", "the page in a browser", (executablePath) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
  });
  afterAll(() => browser.close());

  async function openedPage(name: string): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(demo.pageUrl(user(name)));
    return { page, complaints };
  }

  const busesOn = (page: Page): Promise<string[]> => page.locator("#buses b").allTextContents();

  test("two users side by side see their own buses move, and nobody else's", async () => {
    const [alice, bob] = await Promise.all([openedPage("alice"), openedPage("bob")]);
    for (const [{ page }, name] of [
      [alice, "alice"],
      [bob, "bob"],
    ] as const) {
      const { buses } = user(name);
      await page.locator("#state[data-kind=live]").waitFor();
      await expect.poll(() => busesOn(page), { timeout: 15_000 }).toEqual(buses);
      expect(await page.locator("#map .bus").count()).toBe(buses.length);
      expect(await page.locator("#grants li").first().textContent()).toContain(`data/${name}/#`);
    }
    for (const { page } of [alice, bob]) {
      const places = (): Promise<string> => page.evaluate(BUS_PLACES);
      const before = await places();
      await expect.poll(places, { timeout: 15_000 }).not.toBe(before);
    }
    expect(await busesOn(alice.page)).toEqual(user("alice").buses);
    expect(await busesOn(bob.page)).toEqual(user("bob").buses);
    expect([...alice.complaints, ...bob.complaints]).toEqual([]);
    await Promise.all([alice.page.context().close(), bob.page.context().close()]);
  });

  test("asking for another user's topics is refused, for a sensor of any user narrowed", async () => {
    const { page } = await openedPage("alice");
    await page.locator("#grants li").first().waitFor();
    await page.locator("#chips button", { hasText: "data/bob/#" }).click();
    await expect.poll(() => page.locator("#grants").textContent()).toContain("refused, 0x87");
    await page.locator("#ask-filter").fill("data/+/4836");
    await page.locator("#ask button").click();
    await expect.poll(() => page.locator("#grants").textContent()).toContain("data/alice/4836");
    expect(await page.locator("#figure-refused").textContent()).toBe("1");
    await page.context().close();
  });

  test("a wrong token and a missing one are told", async () => {
    const page = await browser.newPage();
    await page.goto(demo.pageUrl({ name: "alice", buses: [], key: "weir_wrong" }));
    await expect
      .poll(() => page.locator("#notice-title").textContent())
      .toBe("The broker does not let this token in");
    await page.goto("about:blank");
    await page.goto(demo.pageUrl(user("alice")).replace(/#.*/, ""));
    await expect.poll(() => page.locator("#notice-title").textContent()).toBe("This page needs a token");
    await page.close();
  });

  test("nothing sticks out on a phone", async () => {
    const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
    await page.goto(demo.pageUrl(user("carol")));
    await expect.poll(() => busesOn(page), { timeout: 15_000 }).toEqual(user("carol").buses);
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    expect(width).toBe(360);
    await page.close();
  });
});
