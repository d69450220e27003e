import type { Browser, CDPSession, Page } from "playwright-core";
import type { LoadedUser } from "./loaded-user.ts";

/** What a page's second MQTT client has seen: with the page's own MQTT.js, in the page's own thread. */
export interface Arrivals {
  readonly count: number;
  /** Milliseconds from the tracker's clock to the page; of at most the last 100,000. */
  readonly delaysMs: readonly number[];
}

/** The web application in Chromium, looked at from outside. */
export class BrowserProbe {
  readonly page: Page;
  readonly #cdp: CDPSession;

  private constructor(page: Page, cdp: CDPSession) {
    this.page = page;
    this.#cdp = cdp;
  }

  /** Opens the page and logs in. */
  static async open(browser: Browser, url: string, { email, password }: LoadedUser): Promise<BrowserProbe> {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 800 } });
    await page.goto(url);
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator("[data-state=live]").waitFor();
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "timeTicks" });
    return new BrowserProbe(page, cdp);
  }

  /** The share of the main thread's time that it worked, over so many seconds. */
  async mainThreadShare(seconds: number): Promise<number> {
    const before = await this.#metrics();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    const after = await this.#metrics();
    return (after.taskS - before.taskS) / (after.timestampS - before.timestampS);
  }

  /** From now on counts what arrives in the page. */
  async listen(): Promise<void> {
    await this.page.evaluate(LISTEN);
  }

  arrivals(): Promise<Arrivals> {
    return this.page.evaluate<Arrivals>("globalThis.arrivals");
  }

  async #metrics(): Promise<{ readonly taskS: number; readonly timestampS: number }> {
    const { metrics } = await this.#cdp.send("Performance.getMetrics");
    const value = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0;
    return { taskS: value("TaskDuration"), timestampS: value("Timestamp") };
  }
}

const LISTEN = `(async () => {
  const { mqtt: access } = JSON.parse(localStorage.getItem("fleet-login"));
  const chunk = performance.getEntriesByType("resource").find(({ name }) => /\\/mqtt[^/]*\\.js$/.test(name));
  const { default: mqtt } = await import(chunk.name);
  const client = await mqtt.connectAsync(access.url, { protocolVersion: 5, username: access.token });
  const arrivals = (globalThis.arrivals = { count: 0, delaysMs: [] });
  const decoder = new TextDecoder();
  client.on("message", (topic, payload, { retain }) => {
    if (retain) return;
    arrivals.count++;
    if (arrivals.delaysMs.length < 100000)
      arrivals.delaysMs.push(Date.now() - Date.parse(JSON.parse(decoder.decode(payload)).at));
  });
  await client.subscribeAsync("data/+/+");
})()`;
