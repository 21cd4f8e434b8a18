// The table of backends: filter, order, and one page of rows at a time, however many there are.

import { get, inZone, path } from "./api.js";
import { $, h, put, s, say } from "./dom.js";
import { operate } from "./operate.js";
import { backends, isOut } from "./store.js";
import { ago, at, number, percent, rate, span, zoneless } from "./text.js";

const ROWS = 50;
const ORDERS = {
  name: ["Name", (a, b) => (a.key < b.key ? -1 : 1)],
  down: ["Down first", (a, b) => b.down.length - a.down.length || Number(isOut(b)) - Number(isOut(a))],
  since: ["Last change", (a, b) => (b.since ?? "").localeCompare(a.since ?? "")],
  time: ["Check time", (a, b) => (b.times.at(-1) ?? -1) - (a.times.at(-1) ?? -1)],
  load: ["Load", (a, b) => (b.load ?? -1) - (a.load ?? -1)],
  rate: ["Answers/s", (a, b) => (b.rate ?? -1) - (a.rate ?? -1)],
};
const COLUMNS = ["Backend", "Verdict", "Since", "Check time", "Load", "Answers/s", "State", "Actions"];

let page = 0;
let open = null; // the key of the row whose details are shown
let details = null;

export function startBackends() {
  put($("sort"), Object.entries(ORDERS).map(([key, [label]]) => h("option", { value: key }, label)));
  for (const id of ["filter", "sort", "only-down"]) {
    $(id).addEventListener("input", () => { page = 0; showBackends(); });
  }
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("previous").addEventListener("click", () => { page -= 1; showBackends(); });
  $("next").addEventListener("click", () => { page += 1; showBackends(); });
}

function wanted() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const onlyOut = $("only-down").checked;
  const found = [];
  for (const one of backends.values()) {
    if (onlyOut && !isOut(one)) continue;
    if (words.every((word) => one.text.includes(word))) found.push(one);
  }
  const order = ORDERS[$("sort").value]?.[1] ?? ORDERS.name[1];
  return found.sort((a, b) => order(a, b) || ORDERS.name[1](a, b));
}

export function showBackends() {
  const found = wanted();
  const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
  page = Math.min(Math.max(page, 0), last);
  const shown = found.slice(page * ROWS, (page + 1) * ROWS);
  say($("count"), found.length === backends.size ? `${number(found.length)} backends` : `${number(found.length)} of ${number(backends.size)} backends`);
  $("pages").hidden = last === 0;
  $("previous").disabled = page === 0;
  $("next").disabled = page === last;
  say($("page"), `Page ${number(page + 1)} of ${number(last + 1)}`);
  put($("rows"), h("table.backends", {},
    h("caption.hidden", {}, "Backends with verdict, check time, load, answers and state"),
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, shown.map(row)),
  ));
}

function row(one) {
  const isOpen = open === one.key;
  const cells = [
    h("th", { scope: "row" },
      h("button.plain", { type: "button", "data-key": `open ${one.key}`, "aria-expanded": String(isOpen), onclick: () => toggle(one) },
        h("span.chevron", { "aria-hidden": "true" }, isOpen ? "▾" : "▸"), `${one.pool}/${one.name}`),
      h("div.soft.mono", {}, one.addresses.join(", ")), h("div.soft", {}, zoneless(one.zone))),
    cell(1, one.families.map((family) => verdict(family, one.down.includes(family))),
      one.held ? h("div.soft", {}, "held up: its pool is frozen") : null,
      one.reason ? h("div.reason", { title: one.reason }, one.reason) : null),
    cell(2, one.since ? h("time", { datetime: one.since, title: at(one.since) }, `${ago(one.since)} ago`) : "–"),
    cell(3, sparkline(one.times)),
    cell(4, one.load === null ? "–" : percent(one.load)),
    cell(5, one.rate === null ? "–" : rate(one.rate)),
    cell(6, state(one)),
    cell(7, actions(one)),
  ];
  const made = h("tr", isOut(one) ? { class: "out" } : {}, cells);
  return isOpen ? [made, h("tr.details", {}, h("td", { colspan: COLUMNS.length }, details ?? "Loading …"))] : [made];
}

const cell = (column, ...children) => h("td", { "data-label": COLUMNS[column] }, h("div", {}, ...children));

const verdict = (family, down) =>
  h(`span.verdict.${down ? "down" : "up"}`, {}, h("span", { "aria-hidden": "true" }, down ? "▼ " : "▲ "), `${family === "ipv4" ? "IPv4" : "IPv6"} ${down ? "down" : "up"}`);

function sparkline(times) {
  if (!times.length) return "–";
  const top = Math.max(...times, 0.001);
  const points = times.map((value, at) => `${(times.length > 1 ? (at / (times.length - 1)) * 78 : 78) + 1},${(18 - (value / top) * 15).toFixed(1)}`);
  const now = times.at(-1);
  return h("span.times", {},
    s("svg", { viewBox: "0 0 80 20", class: "spark", "aria-hidden": "true" }, s("polyline", { points: points.join(" ") })),
    `${now < 10 ? now.toFixed(1) : Math.round(now)} ms`);
}

function state(one) {
  if (one.state === "auto") return "auto";
  return [
    h("b", {}, one.state),
    one.stateReason ? h("div.reason", { title: one.stateReason }, one.stateReason) : null,
    one.until ? h("div.soft", {}, `until ${at(one.until)}`) : null,
    one.finish ? h("div.finish", {}, finishText(one.finish)) : null,
  ];
}

/** How long answers with a draining backend may still be in caches. */
export function finishText(finish) {
  const left = (Date.parse(finish.at) - Date.now()) / 1000;
  if (!Number.isFinite(left)) return "";
  return left > 0 ? `last cached answer ends in ${span(left)}` : "drained: no cached answer is left";
}

function actions(one) {
  const wish = one.state === "auto"
    ? [["drain", "Drain"]]
    : [["auto", "Undrain"]];
  return h("div.actions", {}, wish.map(([to, label]) =>
    h("button.small", { type: "button", "data-key": `${to} ${one.key}`, "aria-label": `${label} ${one.pool}/${one.name}`, onclick: () => operate(one, to) }, label)));
}

async function toggle(one) {
  open = open === one.key ? null : one.key;
  details = null;
  showBackends();
  if (open !== one.key) return;
  try {
    const full = await get(`backends/${path(one)}${inZone(one)}`);
    if (open === one.key) details = describe(full);
  } catch (error) {
    details = h("p.failure", {}, error.message);
  }
  showBackends();
}

function describe(full) {
  const probes = full.probes.map((probe) => {
    const last = probe.last_result;
    return h("li", {}, h("span.mono", {}, probe.check), ` ${probe.verdict}`,
      last ? `: ${[last.result, last.detail, last.note].filter(Boolean).join(", ")} in ${last.milliseconds} ms, ${at(last.at)}` : ": no result yet");
  });
  const changes = [...full.transitions].reverse().map((one) =>
    h("li", {}, h("time", { datetime: one.at }, at(one.at)), ` ${one.down.length ? `down (${one.down.join(", ")})` : "up"}`, one.reason ? `: ${one.reason}` : ""));
  return h("div.columns", {},
    h("div", {}, h("h3", {}, "Probes"), probes.length ? h("ul", {}, probes) : h("p.hint", {}, "It has no check.")),
    h("div", {}, h("h3", {}, "Last changes"), changes.length ? h("ul", {}, changes) : h("p.hint", {}, "None since the server started.")));
}
