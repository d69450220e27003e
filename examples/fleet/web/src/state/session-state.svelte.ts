import type { LoggedIn, Login, PageSettings, Registration } from "weir-fleet/contract";
import { fleetBackend } from "../backend/fleet-backend.ts";
import { FleetState } from "./fleet-state.svelte.ts";

export type SessionView =
  | { readonly kind: "loading" }
  | { readonly kind: "signed-out"; readonly notice: string | undefined }
  | { readonly kind: "signed-in"; readonly fleet: FleetState };

/** The key of the access token survives a reload of the page; the cookie alone would not connect to the broker. */
const STORED = "fleet-login";

/** Whether somebody is logged in, and who. */
export class SessionState {
  view: SessionView = $state.raw({ kind: "loading" });
  settings: PageSettings = $state.raw({ demoAccounts: [], trackerUrl: "", tiles: null });

  async open(): Promise<void> {
    try {
      this.settings = await fleetBackend.settings();
      const loggedIn = await this.#resume();
      if (loggedIn) this.#begin(loggedIn);
      else this.#end(undefined);
    } catch (error) {
      this.view = { kind: "signed-out", notice: error instanceof Error ? error.message : String(error) };
    }
  }

  async logIn(login: Login): Promise<void> {
    this.#begin(await fleetBackend.logIn(login));
  }

  async register(registration: Registration): Promise<void> {
    this.#begin(await fleetBackend.register(registration));
  }

  async logOut(): Promise<void> {
    this.#end(undefined);
    await fleetBackend.logOut().catch(() => undefined);
  }

  /** Who is logged in, with the key from before the reload, or a new one where that is lost. */
  async #resume(): Promise<LoggedIn | undefined> {
    const { user, mqtt } = await fleetBackend.session();
    if (!user) return undefined;
    const stored = readStored();
    if (stored?.user.id === user.id) return { user, mqtt: { url: mqtt.url, token: stored.mqtt.token } };
    return fleetBackend.renewToken();
  }

  #begin(loggedIn: LoggedIn): void {
    localStorage.setItem(STORED, JSON.stringify(loggedIn));
    const fleet = new FleetState(loggedIn, () => this.#end("You have been signed out."));
    this.view = { kind: "signed-in", fleet };
    void fleet.open();
  }

  #end(notice: string | undefined): void {
    if (this.view.kind === "signed-in") this.view.fleet.close();
    localStorage.removeItem(STORED);
    this.view = { kind: "signed-out", notice };
  }
}

function readStored(): LoggedIn | undefined {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "") as LoggedIn;
  } catch {
    return undefined;
  }
}
