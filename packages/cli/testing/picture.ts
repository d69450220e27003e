// Takes the README's picture from the running demonstration: two users side by side.
// node --conditions=@weir/source packages/cli/testing/picture.ts docs/images/demo.png
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { findComponent } from "@weir/testkit";
import { chromium, type Browser } from "playwright-core";
import { openDemo } from "../src/demo/demo.ts";
import { CHROMIUM_FLAGS } from "./chromium-flags.ts";

const SIZE = { width: 900, height: 640 };
const SPEED = 20;
const WATCH_MS = 80_000;

const [file = "docs/images/demo.png"] = process.argv.slice(2);
const executablePath = findComponent("chromium");
if (executablePath === undefined) throw new Error("The picture needs chromium (scripts/debian-packages.sh)");
const demo = await openDemo({ mqttPort: 0, httpPort: 0, speed: SPEED });
const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
try {
  const [alice, bob] = demo.users;
  if (!alice || !bob) throw new Error("The demonstration has two users at least");
  const shots = await Promise.all([
    photograph(browser, demo.pageUrl(alice), "light"),
    photograph(browser, demo.pageUrl(bob), "dark"),
  ]);
  mkdirSync(dirname(file), { recursive: true });
  await joinSideBySide(browser, shots, file);
} finally {
  await browser.close();
  await demo.close();
}

async function photograph(from: Browser, url: string, colorScheme: "light" | "dark"): Promise<Buffer> {
  const page = await from.newPage({ viewport: SIZE, colorScheme });
  await page.goto(url);
  await page.locator("#map .bus").first().waitFor();
  await page.waitForTimeout(WATCH_MS);
  await page.locator("#chips button").first().click();
  await page.locator("#grants .refused").waitFor();
  await page.waitForTimeout(1_000);
  return page.screenshot();
}

async function joinSideBySide(from: Browser, shots: readonly Buffer[], path: string): Promise<void> {
  const page = await from.newPage({ viewport: { width: SIZE.width * 2 + 60, height: SIZE.height + 40 } });
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString("base64")}">`);
  const style =
    "body{margin:20px;display:flex;gap:20px}img{border-radius:14px;box-shadow:0 2px 14px #0003;width:900px}";
  await page.setContent(`<style>${style}</style>${images.join("")}`);
  await page.screenshot({ path, omitBackground: true });
}
