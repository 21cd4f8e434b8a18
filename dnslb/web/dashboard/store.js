// The backends, kept small: what rows show, and the last check times of each.

import { get, getIfThere, inZone, path } from "./api.js";

const TIMES = 24;
const PAGE = 500;

export const keyOf = (one) => `${one.zone}\n${one.pool}\n${one.name ?? one.backend}`;

/** @type {Map<string, object>} by key */
export const backends = new Map();

/** Read all of them, in pages where the server has pages. */
export async function readAll() {
  const seen = new Set();
  let after = null;
  do {
    const more = after === null ? "" : `&after=${encodeURIComponent(after)}`;
    const said = await get(`backends?limit=${PAGE}${more}`);
    for (const one of said.backends) seen.add(take(one).key);
    after = said.next ?? null;
  } while (after !== null);
  for (const key of backends.keys()) if (!seen.has(key)) backends.delete(key);
}

/** Read one again; what is gone is forgotten. */
export async function readOne(one) {
  const said = await getIfThere(`backends/${path(one)}${inZone(one)}`);
  if (said) take(said);
  else backends.delete(keyOf(one));
}

/** Rates of backends from elsewhere: trees of services tell them. */
export function takeRates(rates) {
  for (const [key, rate] of rates) {
    const one = backends.get(key);
    if (one) one.rate = rate;
  }
}

function take(said) {
  const key = keyOf(said);
  const before = backends.get(key);
  const probes = said.probes.map((probe) => probe.last_result).filter(Boolean);
  const last = probes.reduce((late, one) => (late === null || one.at > late.at ? one : late), null);
  const times = before?.times ?? [];
  if (last && last.at !== before?.checked) {
    times.push(last.milliseconds);
    if (times.length > TIMES) times.shift();
  }
  const down = Object.entries(said.verdict).filter(([, verdict]) => verdict === "down").map(([family]) => family);
  const kept = {
    key,
    zone: said.zone,
    pool: said.pool,
    name: said.name,
    addresses: said.target ? [said.target, ...said.addresses] : said.addresses,
    families: Object.keys(said.verdict),
    down,
    serves: said.serves.length,
    reason: said.reason,
    since: said.since,
    held: said.held,
    state: said.state,
    stateReason: said.state_reason,
    until: said.until,
    load: said.load,
    rate: said.rate ?? before?.rate ?? null,
    checked: last?.at ?? null,
    times,
    finish: said.finish ?? null,
    text: [said.pool, said.name, `${said.pool}/${said.name}`, said.zone, ...said.addresses, said.reason, said.state, said.state_reason].join(" ").toLowerCase(),
  };
  backends.set(key, kept);
  return kept;
}

export const isOut = (one) => one.down.length > 0 || one.serves === 0 || one.state !== "auto";
