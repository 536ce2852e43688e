// The button that turns the theme.

import { find } from "./dom.js";

/** Which theme is shown, chosen or the system's. */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function say() {
  find("theme").setAttribute("aria-pressed", String(isDark()));
}

function turn() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("hso-theme", theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  say();
}

export function listenToTheme() {
  say();
  find("theme").addEventListener("click", turn);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
}
