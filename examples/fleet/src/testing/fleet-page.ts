import type { Browser, BrowserContext, Page } from "playwright-core";
import { type Driver, eventually } from "./fleet-fixture.ts";

/** The web application in a browser profile of its own, as somebody uses it. */
export class FleetPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained of. */
  readonly errors: string[] = [];
  readonly #url: string;

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.context = context;
    this.page = page;
    this.#url = url;
    page.on("pageerror", (error) => this.errors.push(error.message));
  }

  static async open(browser: Browser, url: string): Promise<FleetPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const opened = new FleetPage(context, await context.newPage(), url);
    await opened.page.goto(url);
    return opened;
  }

  async logIn({ email, password }: Pick<Driver, "email" | "password">): Promise<void> {
    await this.page.getByLabel("E-mail").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Log in" }).click();
    await this.live();
  }

  async live(): Promise<void> {
    await this.page.locator("[data-state=live]").waitFor();
  }

  /** Waits until the list shows just these vehicles. */
  async shows(...names: readonly string[]): Promise<void> {
    await eventually(
      () => this.page.locator(".rows strong").allTextContents(),
      (shown) => JSON.stringify(shown) === JSON.stringify(names),
    );
  }

  /** Waits until the row of a vehicle shows this. */
  async rowSays(sensorId: string, text: string): Promise<void> {
    await this.page.locator(`[data-sensor="${sensorId}"]`, { hasText: text }).waitFor();
  }

  /** Closes the page, and opens another one in the same browser profile. */
  async reopen(whileClosed: () => Promise<void>): Promise<Page> {
    await this.page.close();
    await whileClosed();
    const page = await this.context.newPage();
    await page.goto(this.#url);
    return page;
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
