// Services as trees: what each branch is meant to get, and what it gets.

import { get, getIfThere } from "./api.js";
import { $, h, put } from "./dom.js";
import { takeRates } from "./store.js";
import { percent, rate, zoneless } from "./text.js";

const FIRST = 4; // that are open from the start
const STEP = 50; // listed at a time
const MEMBERS = 20; // of a branch, before the rest is asked for

const open = new Map(); // key → whether
const wide = new Set(); // branches whose members are all shown
const nodes = new Map(); // key → details element
let limit = STEP;

const keyOf = (one) => `${one.zone}\n${one.name}`;

export function startServices(refresh) {
  $("more-services").addEventListener("click", () => { limit += STEP; refresh(); });
}

/** Read the services, and the trees of those that are open. */
export async function readServices() {
  const said = await getIfThere("services");
  $("services").hidden = said === null;
  if (said === null) return;
  const all = said.services ?? said;
  const shown = all.slice(0, limit);
  $("more-services").hidden = all.length <= limit;
  shown.forEach((one, at) => { if (!open.has(keyOf(one))) open.set(keyOf(one), at < FIRST); });
  const wanted = shown.map(node);
  const list = $("service-list");
  if (wanted.length !== list.children.length || wanted.some((one, at) => list.children[at] !== one)) list.replaceChildren(...wanted);
  for (const one of shown) if (open.get(keyOf(one))) await readTree(one);
}

function node(one) {
  const key = keyOf(one);
  let made = nodes.get(key);
  if (!made) {
    made = h("details.service", { open: open.get(key) }, h("summary", { "data-key": `service ${key}` }), h("div.tree"));
    made.addEventListener("toggle", () => {
      open.set(key, made.open);
      if (made.open) readTree(one).catch(() => {}); // the next round tells what failed
    });
    nodes.set(key, made);
  }
  const up = one.up !== false;
  put(made.firstChild, h("span.title", {}, h("span.mono", {}, zoneless(one.name)), h("span.soft", {}, ` ${zoneless(one.zone)}`)),
    h(`span.verdict.${up ? "up" : "down"}`, {}, h("span", { "aria-hidden": "true" }, up ? "▲ " : "▼ "), up ? "up" : `down: ${one.when_down ?? "nothing serves"}`));
  return made;
}

async function readTree(one) {
  const full = await get(`services/${encodeURIComponent(one.name)}?zone=${encodeURIComponent(one.zone)}`);
  const made = nodes.get(keyOf(one));
  if (!made || !full.tree) return;
  const rates = new Map();
  collect(full.tree, rates);
  takeRates(rates);
  put(made.lastChild, h("ul.branches", {}, branch(full.tree, keyOf(one), () => readTree(one))));
}

function collect(tree, rates) {
  if (tree.kind === "backend") {
    const [pool, name] = tree.name.split("/");
    rates.set(`${tree.zone}\n${pool}\n${name}`, tree.rate ?? null);
  }
  for (const member of tree.members ?? []) collect(member, rates);
}

function branch(one, above, again) {
  const key = `${above}\n${one.name}`;
  const members = one.members ?? [];
  const shown = wide.has(key) ? members : members.slice(0, MEMBERS);
  const rest = members.length - shown.length;
  return h("li", {},
    h(`div.branch${one.out ? ".out" : ""}`, {},
      h("div.what", {},
        h(`span.verdict.${one.up ? "up" : "down"}`, { "aria-hidden": "true" }, one.up ? "▲" : "▼"),
        h("span.hidden", {}, one.up ? "up" : "down"),
        h("span.name", {}, one.name),
        one.strategy ? h("span.tag", {}, one.strategy) : null,
        one.condition ? h("span.soft", {}, one.condition) : null,
        one.out ? h("span.why", {}, one.out) : null),
      bars(one)),
    shown.length ? h("ul.branches", {}, shown.map((member) => branch(member, key, again))) : null,
    rest > 0 ? h("button.small", { type: "button", "data-key": `all ${key}`, onclick: () => { wide.add(key); again(); } }, `Show ${rest} more`) : null);
}

function bars(one) {
  const meant = one.share ?? null;
  const got = one.achieved ?? null;
  const bar = (kind, part) => {
    const fill = h(`span.fill.${kind}`);
    fill.style.width = `${Math.min(1, part ?? 0) * 100}%`;
    return h("span.track", { "aria-hidden": "true" }, fill);
  };
  const text = `${meant === null ? "by client" : percent(meant)} · ${got === null ? "–" : percent(got)}`;
  const said = `meant ${meant === null ? "as clients come" : percent(meant)}, gets ${got === null ? "nothing measured yet" : percent(got)}`;
  return h("div.bars", {},
    h("span.pair", {}, bar("meant", meant), bar("got", got)),
    h("span.figures", { "aria-hidden": "true", title: said }, text),
    h("span.hidden", {}, said),
    h("span.rate", {}, one.rate === null || one.rate === undefined ? "" : `${rate(one.rate)}/s`));
}
