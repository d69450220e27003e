import { type BrokerFixture, findComponent, startBroker } from "@weir/testkit";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let broker: BrokerFixture;
let url: string;

beforeAll(async () => {
  broker = await startBroker();
  url = `http://127.0.0.1:${broker.addresses.http.port}`;
});

afterAll(() => broker.close());

describe("/api/docs", () => {
  it("comes from this server alone, under a policy that lets nothing else in or out", async () => {
    const page = await fetch(`${url}/api/docs`);
    expect(page.headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    const markup = await page.text();
    const addresses = [...markup.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, address]) => address as string);
    expect(addresses.every((address) => address.startsWith("/api/docs"))).toBe(true);
    for (const address of addresses)
      expect([address, (await fetch(url + address)).status]).toEqual([address, 200]);
    expect(markup).not.toMatch(/<script>|\sstyle=|\son\w+=/);
  });

  it("is where the root leads", async () => {
    const root = await fetch(`${url}/`, { redirect: "manual" });
    expect([root.status, root.headers.get("location")]).toEqual([302, "/api/docs"]);
  });
});

const executablePath = findComponent("chromium");

describe.skipIf(executablePath === undefined)("/api/docs in a browser (needs chromium)", () => {
  let browser: Browser;
  const problems: string[] = [];

  beforeAll(async () => {
    const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
    browser = await chromium.launch({ executablePath: executablePath as string, args });
  });

  afterAll(() => browser.close());

  async function openPage(hash: string, width = 1_280): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(`${url}/api/docs#${hash}`);
    await page.locator("nav a").first().waitFor();
    return page;
  }

  it("sends what is filled in with the token, and shows the answer and the line for a shell", async () => {
    const key = await broker.token({ name: "operator", scopes: ["admin"] });
    const page = await openPage("postTokens");
    await page.fill("#token", key);
    await page.locator("#token").blur();
    await page.locator("#holder.good").waitFor();
    expect(await page.locator("#holder").textContent()).toBe("operator in default");
    await page.fill("#body", '{"subject": "o\'brien", "ttl": 60}');
    expect(await page.locator("#curl").textContent()).toBe(
      `curl -X POST -H "Authorization: Bearer $WEIR_TOKEN" -H 'content-type: application/json' ` +
        `--data-binary '{"subject":"o'\\''brien","ttl":60}' '${url}/api/v1/tokens'`,
    );
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("#status.good").waitFor();
    expect(await page.locator("#answer-body").textContent()).toContain('"subject": "o\'brien"');
    expect(await page.evaluate("JSON.stringify([localStorage, sessionStorage])")).toBe("[{},{}]");
    await page.close();
  });

  it("shows every call, also on a phone, without scrolling sideways", async () => {
    const page = await openPage("getTokens", 390);
    const links = await page.locator("nav a").all();
    const hashes = await Promise.all(links.map((link) => link.getAttribute("href")));
    expect(hashes.length).toBeGreaterThan(30);
    for (const hash of hashes) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.locator("nav a[aria-current]").waitFor();
      const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect([hash, overflow]).toEqual([hash, 0]);
    }
    await page.close();
    expect(problems).toEqual([]);
  });
});
