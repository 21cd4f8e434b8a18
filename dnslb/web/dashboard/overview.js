// What the server as a whole does: counts, alarms, queries a second by rcode.

import { $, h, put, s, say } from "./dom.js";
import { number, rate, zoneless } from "./text.js";

const SAMPLES = 60;
const TOP = 4; // rcodes with a colour of their own
const samples = []; // {rcode: rate}, the last is now

export function showStatus(status) {
  alarms(status);
  const facts = [
    ["Zones", number(status.zones)],
    ["Backends", number(status.backends)],
    ["Down", number(status.down)],
    ["Generation", number(status.generation)],
    ["Isolated", status.isolated ? "yes" : "no"],
    ["Frozen pools", number(status.frozen.length)],
  ];
  const total = perRcode(status);
  if (total) facts.push(["Queries/s", rate(Object.values(total).reduce((sum, one) => sum + one, 0))]);
  if (status.version) facts.push(["Version", status.version]);
  const list = $("facts");
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(([name]) => h("div", {}, h("dt", {}, name), h("dd"))));
  }
  facts.forEach(([, value], at) => say(list.children[at].lastChild, value));
  if (total) chart(total);
}

/** Queries a second by rcode, where the server tells them. */
function perRcode(status) {
  const told = status.queries ?? null;
  return told && typeof told === "object" ? told : null;
}

function alarms(status) {
  const said = [];
  if (status.isolated) {
    said.push(["bad", "This server is isolated: all canaries fail, so what checks say does not count."]);
  }
  for (const pool of status.frozen) {
    said.push(["", `Pool ${pool.pool} in ${zoneless(pool.zone)} is frozen: too much fails at once. Held up: ${pool.held.join(", ")}.`]);
  }
  const box = $("alarms");
  const key = JSON.stringify(said);
  if (box.dataset.said === key) return;
  box.dataset.said = key;
  put(box, said.map(([kind, text]) => h(`p.notice${kind && `.${kind}`}`, { role: "alert" }, text)));
}

function chart(total) {
  samples.push(total);
  if (samples.length > SAMPLES) samples.shift();
  const sums = {};
  for (const one of samples) for (const [rcode, value] of Object.entries(one)) sums[rcode] = (sums[rcode] ?? 0) + value;
  const order = Object.keys(sums).filter((rcode) => sums[rcode] > 0 || rcode === "NOERROR").sort((a, b) => sums[b] - sums[a] || a.localeCompare(b));
  const shown = order.slice(0, TOP);
  const others = order.slice(TOP);
  const rows = samples.map((one) => {
    const values = shown.map((rcode) => one[rcode] ?? 0);
    if (others.length) values.push(others.reduce((sum, rcode) => sum + (one[rcode] ?? 0), 0));
    return values;
  });
  const names = others.length ? [...shown, "others"] : shown;
  const top = Math.max(1, ...rows.map((row) => row.reduce((sum, one) => sum + one, 0)));
  const figure = $("queries");
  figure.hidden = names.length === 0;
  const layers = names.map((_, layer) => {
    const edge = (row, upto) => (100 - (row.slice(0, upto).reduce((sum, one) => sum + one, 0) / top) * 96).toFixed(2);
    const x = (at) => ((at + SAMPLES - rows.length) / (SAMPLES - 1)) * 600;
    const upper = rows.map((row, at) => `${x(at).toFixed(1)},${edge(row, layer + 1)}`);
    const lower = rows.map((row, at) => `${x(at).toFixed(1)},${edge(row, layer)}`).reverse();
    return s("polygon", { points: [...upper, ...lower].join(" "), class: `layer layer-${layer}` });
  });
  const now = rows.at(-1);
  const text = names.map((name, at) => `${name} ${rate(now[at])}`).join(", ");
  figure.querySelector(".plot").replaceChildren(
    s("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img", "aria-label": `Queries per second now: ${text}. Highest: ${rate(top)}.` }, ...layers),
  );
  put(figure.querySelector(".legend"), names.map((name, at) => h("li", {}, h(`span.swatch.layer-${at}`, { "aria-hidden": "true" }), `${name} `, h("b", {}, rate(now[at])))));
}
