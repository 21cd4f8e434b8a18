// What has changed, newest first.

import { $, h } from "./dom.js";
import { at, zoneless } from "./text.js";

const KEPT = 200;

/** What an event says, as [sign, tone, who, text]; null for what is no news. */
function words(kind, data) {
  const who = data.backend ? (data.backend.includes("/") ? data.backend : `${data.pool}/${data.backend}`) : data.pool ? `pool ${data.pool}` : "";
  const because = data.reason ? `: ${data.reason}` : "";
  switch (kind) {
    case "verdict": return data.down.length ? ["▼", "bad", who, `down (${data.down.join(", ")})${because}`] : ["▲", "good", who, `up${because}`];
    case "state": return ["◆", "warn", who, `state ${data.state}${because}${data.until ? `, until ${typeof data.until === "string" ? at(data.until) : at(data.until * 1000)}` : ""}${data.by ? `, by ${data.by}` : ""}`];
    case "service": return data.up ? ["▲", "good", `service ${zoneless(data.service)}`, "up"] : ["▼", "bad", `service ${zoneless(data.service)}`, `down: ${data.when_down}`];
    case "frozen": return ["❄", "warn", who, `frozen; held up: ${(data.held ?? []).join(", ")}`];
    case "thawed": return ["◇", "good", who, "thawed"];
    case "isolated": return data.isolated ? ["✕", "bad", "this server", "isolated: all canaries fail"] : ["◇", "good", "this server", "no longer isolated"];
    case "reload": return data.ok ? ["↻", "good", "configuration", "reloaded"] : ["✕", "bad", "configuration", `refused: ${[].concat(data.problems ?? []).join("; ")}`];
    case "missed": return ["…", "warn", "events", "some were missed"];
    default: return null;
  }
}

export function showEvent(event) {
  const said = words(event.kind, event.data);
  if (!said) return;
  const [sign, tone, who, text] = said;
  const when = event.data.at ?? new Date().toISOString();
  const list = $("events");
  list.prepend(h("li", {},
    h("time", { datetime: when }, at(when)),
    h(`span.sign.${tone}`, { "aria-hidden": "true" }, sign),
    h("span", {}, h("b", {}, who), ` ${text}`, event.data.zone ? h("span.soft", {}, ` ${zoneless(event.data.zone)}`) : null)));
  while (list.children.length > KEPT) list.lastChild.remove();
  $("timeline-empty").hidden = true;
}
