// Light or dark: as the system says, or as was chosen here.

const KEY = "dnslb.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  return localStorage.getItem(KEY) ?? "system";
}

function apply() {
  const now = chosen() === "system" ? (dark.matches ? "dark" : "light") : chosen();
  document.documentElement.dataset.theme = now;
}

/** Follow the system and `select`. */
export function startTheme(select) {
  select.value = chosen();
  select.addEventListener("change", () => {
    if (select.value === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, select.value);
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}
