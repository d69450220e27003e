// Takes the README's pictures from the running application: `npm run pictures`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findComponent } from "@weir/testkit";
import { type Browser, chromium, type Page } from "playwright-core";
import { Fleet } from "../launcher/fleet.ts";
import { freePorts } from "../launcher/free-ports.ts";
import { CHROMIUM_FLAGS } from "../process/chromium-flags.ts";

const IMAGES = fileURLToPath(new URL("../../../../docs/images", import.meta.url));
const WEB = fileURLToPath(new URL("../../web/dist", import.meta.url));
/** Long enough for trails, and for a border to be crossed. */
const DRIVE_MS = 60_000;
const REPLAY_SPEED = 12;

interface Shot {
  readonly file: string;
  readonly account: number;
  readonly size: { readonly width: number; readonly height: number };
  readonly colorScheme: "light" | "dark";
  readonly prepare: (page: Page) => Promise<void>;
}

const DESKTOP = { width: 1_280, height: 760 };
const PHONE = { width: 390, height: 800 };

const SHOTS: readonly Shot[] = [
  { file: "fleet.png", account: 0, size: DESKTOP, colorScheme: "light", prepare: selectFirst },
  { file: "fleet-dark.png", account: 1, size: DESKTOP, colorScheme: "dark", prepare: nothing },
  { file: "fleet-phone.png", account: 0, size: PHONE, colorScheme: "light", prepare: nothing },
];

function nothing(): Promise<void> {
  return Promise.resolve();
}

async function selectFirst(page: Page): Promise<void> {
  await page.locator(".rows .row").nth(1).click();
  await page.locator("[data-track]").waitFor();
}

async function openPage(browser: Browser, url: string, shot: Shot): Promise<Page> {
  const { size: viewport, colorScheme } = shot;
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 2 });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator(".demo-accounts button").nth(shot.account).click();
  await page.locator("[data-state=live]").waitFor();
  return page;
}

const executablePath = findComponent("chromium");
if (executablePath === undefined)
  throw new Error("chromium is missing: scripts/debian-packages.sh installs it");
const folder = mkdtempSync(join(tmpdir(), "fleet-pictures-"));
const fleet = new Fleet({
  directory: folder,
  ports: await freePorts(),
  databaseUrl: undefined,
  replaySpeed: REPLAY_SPEED,
  webDirectory: WEB,
  onStep: (what) => process.stdout.write(`starting ${what}\n`),
  onLine: () => undefined,
});
try {
  await fleet.start();
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
  const pages = await Promise.all(SHOTS.map((shot) => openPage(browser, fleet.url, shot)));
  process.stdout.write(`driving for ${DRIVE_MS / 1_000} s\n`);
  await new Promise((resolve) => setTimeout(resolve, DRIVE_MS));
  for (const [index, shot] of SHOTS.entries()) {
    const page = pages[index] as Page;
    await shot.prepare(page);
    await page.getByRole("button", { name: "Show all vehicles" }).click();
    await page.screenshot({ path: join(IMAGES, shot.file) });
    process.stdout.write(`docs/images/${shot.file}\n`);
  }
  await browser.close();
} finally {
  await fleet.stop();
  rmSync(folder, { recursive: true, force: true });
}
