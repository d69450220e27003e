const KEY = "fleet-theme";
const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

type Theme = "light" | "dark";

/** Shows the page as it was last chosen, else as the system is, now and when that changes. */
export function followTheme(): void {
  const show = (): void => {
    root.dataset["theme"] = chosenTheme() ?? (systemIsDark.matches ? "dark" : "light");
  };
  systemIsDark.addEventListener("change", show);
  show();
}

export function toggleTheme(): void {
  const next: Theme = root.dataset["theme"] === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, next);
  root.dataset["theme"] = next;
}

function chosenTheme(): Theme | undefined {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : undefined;
}
