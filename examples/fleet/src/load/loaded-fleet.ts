import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findComponent } from "@weir/testkit";
import { type Browser, chromium } from "playwright-core";
import { Fleet } from "../launcher/fleet.ts";
import { freePorts } from "../launcher/free-ports.ts";
import { CHROMIUM_FLAGS } from "../process/chromium-flags.ts";
import { BrowserProbe } from "./browser-probe.ts";
import { createLoadedUser, type LoadedUser } from "./loaded-user.ts";
import { type ProcessUsage, readUsage } from "./process-usage.ts";

const WEB = fileURLToPath(new URL("../../web/dist", import.meta.url));
/** The parts whose work a position is. */
export const MEASURED_PARTS = ["broker", "ingest", "storage", "alarms", "database", "backend"] as const;

/** A fleet of its own to be measured, with one user, many sensors, and the page open in Chromium. */
export class LoadedFleet {
  readonly fleet: Fleet;
  readonly user: LoadedUser;
  readonly probe: BrowserProbe;
  readonly #browser: Browser;
  readonly #folder: string;

  private constructor(
    fleet: Fleet,
    parts: {
      readonly user: LoadedUser;
      readonly probe: BrowserProbe;
      readonly browser: Browser;
      readonly folder: string;
    },
  ) {
    this.fleet = fleet;
    this.user = parts.user;
    this.probe = parts.probe;
    this.#browser = parts.browser;
    this.#folder = parts.folder;
  }

  static async start(sensors: number, progress: (text: string) => void): Promise<LoadedFleet> {
    const executablePath = findComponent("chromium");
    if (executablePath === undefined)
      throw new Error("chromium is missing: scripts/debian-packages.sh installs it");
    const folder = mkdtempSync(join(tmpdir(), "fleet-load-"));
    const fleet = new Fleet({
      directory: folder,
      ports: await freePorts(),
      databaseUrl: undefined,
      replaySpeed: undefined,
      webDirectory: WEB,
      onStep: (what) => progress(`starting ${what}`),
      onLine: () => undefined,
    });
    await fleet.start();
    const user = await createLoadedUser(fleet.url, sensors, (made) =>
      progress(`${made} of ${sensors} sensors`),
    );
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS] });
    const probe = await BrowserProbe.open(browser, fleet.url, user);
    return new LoadedFleet(fleet, { user, probe, browser, folder });
  }

  /** What each part has used so far. */
  usage(): Map<string, ProcessUsage> {
    const usages = new Map<string, ProcessUsage>();
    for (const name of MEASURED_PARTS) {
      const pid = this.fleet.part(name).pid;
      const usage = pid === undefined ? undefined : readUsage(pid);
      if (usage) usages.set(name, usage);
    }
    return usages;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.fleet.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
