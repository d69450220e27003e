import { BusFeed, type FeedState, type Grant } from "./bus-feed.ts";
import { BusList } from "./bus-list.ts";
import type { BusReport } from "./bus-report.ts";
import { GrantList } from "./grant-list.ts";
import { addMapGestures } from "./map-gestures.ts";
import { MessageRate } from "./message-rate.ts";
import { RouteMap, type Roads } from "./route-map.ts";

const STATE_WORDS = {
  connecting: "Connecting",
  live: "Live",
  lost: "Reconnecting",
  refused: "Refused",
} as const;

function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no #${id}`);
  return element;
}

async function start(): Promise<void> {
  // The token stands behind the "#": a browser does not send that part anywhere.
  const token = decodeURIComponent(location.hash.slice(1));
  const user = new URLSearchParams(location.search).get("user") ?? "";
  addEventListener("hashchange", () => location.reload());
  if (user !== "") showUser(user);
  const response = await fetch("roads.json");
  const root = document.querySelector<SVGSVGElement>("svg#map");
  if (!root) throw new Error("The page has no map");
  const map = new RouteMap(root, (await response.json()) as Roads);
  addMapGestures(root, map);
  addZoomButtons(map);
  if (token === "") {
    showState({ kind: "refused", reason: "" });
    showNotice(
      "This page needs a token",
      "Open one of the links that the terminal shows: each carries the token of a user behind the “#”.",
    );
    return;
  }
  await watch(map, token, user);
}

async function watch(map: RouteMap, token: string, user: string): Promise<void> {
  const rate = new MessageRate(performance.now());
  const grants = new GrantList(byId("grants"));
  const select = (bus: string): void => (map.followed === bus ? map.fit() : map.follow(bus));
  const list = new BusList(byId("buses"), select);
  map.onSelect = select;
  let refused = 0;
  const feed = new BusFeed({
    onState: showState,
    onReport: (report, isRetained) => {
      rate.add(performance.now());
      map.show(report, performance.now(), isRetained);
      showClock(report);
    },
    onGrant: (grant: Grant) => {
      if (grant.kind === "refused") refused++;
      byId("figure-refused").textContent = String(refused);
      grants.add(grant);
    },
  });
  addQuestions(feed, user);
  const frame = (nowMs: number): void => {
    map.draw(nowMs);
    showScale(map);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  setInterval(() => {
    const nowMs = performance.now();
    list.draw(map.markers, map.followed, nowMs);
    byId("no-buses").hidden = map.markers.size > 0;
    byId("bus-count").textContent = map.markers.size > 0 ? String(map.markers.size) : "";
    byId("figure-messages").textContent = rate.total.toLocaleString("en");
    byId("figure-rate").textContent = rate.perSecond(nowMs).toFixed(1);
  }, 250);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  await feed.open(`${scheme}://${location.host}/mqtt`, token);
}

function addQuestions(feed: BusFeed, user: string): void {
  const input = byId("ask-filter") as HTMLInputElement;
  const other = user === "bob" ? "alice" : "bob";
  const ask = (filter: string): void => {
    if (filter !== "") void feed.ask(filter);
  };
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(input.value.trim());
    input.value = "";
  });
  for (const filter of [`data/${other}/#`, "data/+/4720", "$SYS/#"]) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.append(Object.assign(document.createElement("code"), { textContent: filter }));
    chip.addEventListener("click", () => ask(filter));
    byId("chips").append(chip);
  }
}

function addZoomButtons(map: RouteMap): void {
  byId("zoom-in").addEventListener("click", () => map.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
  byId("zoom-fit").addEventListener("click", () => map.fit());
  map.draw(performance.now());
  showScale(map);
}

function showUser(user: string): void {
  document.title = `${user}'s buses · Weir`;
  byId("user").textContent = user;
  byId("avatar").textContent = user.slice(0, 1);
  byId("person").hidden = false;
}

function showState(state: FeedState): void {
  byId("state").dataset["kind"] = state.kind;
  byId("state-text").textContent = STATE_WORDS[state.kind];
  if (state.kind === "refused" && state.reason !== "") {
    showNotice(
      "The broker does not let this token in",
      `${state.reason}\nTokens last as long as the demonstration runs: open a link of the current one.`,
    );
  }
}

function showNotice(title: string, text: string): void {
  byId("notice-title").textContent = title;
  byId("notice-text").textContent = text;
  byId("notice").hidden = false;
}

/** The recording's own clock: the time of the newest report. */
function showClock(report: BusReport): void {
  const at = new Date(report.at);
  const clock = byId("clock");
  const shown = Number(clock.dataset["atMs"] ?? 0);
  // Retained reports of buses that rest are older; a clock that goes back by hours has begun the recording anew.
  if (at.getTime() < shown && shown - at.getTime() < 3_600_000) return;
  clock.dataset["atMs"] = String(at.getTime());
  byId("clock-time").textContent = at.toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZone: "UTC",
  });
  byId("clock-note").textContent = at.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });
  clock.hidden = false;
}

function showScale(map: RouteMap): void {
  const { metres, pixels } = map.scaleBar();
  byId("scale").style.width = `${pixels.toFixed(0)}px`;
  byId("scale-text").textContent = metres < 1_000 ? `${metres} m` : `${metres / 1_000} km`;
}

await start();
