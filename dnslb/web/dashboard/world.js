// Answers by country on a map, with the same as a table.

import { getIfThere } from "./api.js";
import { $, h, put, s } from "./dom.js";
import { percent, rate } from "./text.js";

let outlines = null;
const shapes = new Map();

export async function readWorld() {
  const top = await getIfThere("top?limit=300");
  const countries = (top?.countries ?? []).map((one) => ({ ...one, code: one.name }));
  // without a database of locations all is unknown
  $("world").hidden = !countries.some((one) => one.code !== "unknown");
  if ($("world").hidden) return;
  if (!outlines) {
    outlines = await (await fetch("/static/world.json")).json();
    drawMap();
  }
  const most = Math.max(...countries.map((one) => one.share), 1e-9);
  const found = new Map(countries.map((one) => [one.code, one]));
  for (const [code, shape] of shapes) {
    const share = found.get(code)?.share ?? 0;
    shape.style.fill = share ? `color-mix(in srgb, var(--got) ${Math.round(25 + 75 * Math.sqrt(share / most))}%, var(--land))` : "";
    shape.firstChild.textContent = `${outlines.countries[code].name}${share ? `: ${percent(share)}` : ""}`;
  }
  put($("map").lastChild, h("table.effect", {}, h("caption.hidden", {}, "Answers by country"),
    h("thead", {}, h("tr", {}, ["Country", "Share", "Queries/s"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, countries.slice(0, 15).map((one) => h("tr", {}, h("th", { scope: "row" }, outlines.countries[one.code]?.name ?? one.code),
      h("td.n", {}, percent(one.share)), h("td.n", {}, one.rate === undefined ? "–" : rate(one.rate)))))));
}

function drawMap() {
  const { width, height, countries } = outlines;
  const map = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "World map; the table beside it says the same" });
  for (const [code, { path }] of Object.entries(countries)) {
    const shape = s("path", { d: path }, s("title"));
    shapes.set(code, shape);
    map.append(shape);
  }
  put($("map"), map, h("div"));
}
