// Why a name gets its answers: the path drawn from the question to the answers.

import { get } from "./api.js";
import { $, h, put } from "./dom.js";
import { percent, zoneless } from "./text.js";

export function startExplain() {
  $("ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const query = new URLSearchParams();
    for (const [key, value] of form) if (value.trim()) query.set(key, value.trim());
    try {
      put($("explanation"), draw(await get(`explain?${query}`)));
    } catch (error) {
      put($("explanation"), h("p.notice.bad", {}, error.message));
    }
  });
}

function draw(said) {
  const { question } = said;
  const steps = [h("li", {}, h("b", {}, "Question "), h("span.mono", {}, `${zoneless(question.name)} ${question.type}`), question.client ? ` from ${question.client}` : " from anybody", said.place ? h("div.soft", {}, said.place) : null)];
  if (!said.zone) {
    steps.push(h("li", {}, h("b", {}, "Zone "), "none of this server's: REFUSED"));
    return h("ol.path", {}, steps);
  }
  steps.push(h("li", {}, h("b", {}, "Zone "), h("span.mono", {}, zoneless(said.zone) || ".")));
  steps.push(h("li", {}, h("b", {}, "Found "), `${said.kind} at `, h("span.mono", {}, zoneless(said.owner)),
    said.service ? h("div.soft", {}, `service ${said.service.name}, TTL ${said.service.ttl} s, ${said.service.answers} in an answer`) : null));
  if (said.pool) steps.push(h("li", {}, h("b", {}, "Decision"), h("ul.branches", {}, pool(said.pool))));
  if (said.when_down) steps.push(h("li", {}, h("b", {}, "Everything is down "), said.when_down));
  if (said.records?.length) steps.push(h("li", {}, h("b", {}, "Records"), h("ul.plain.mono", {}, said.records.map((one) => h("li", {}, one)))));
  if (said.answers?.length) steps.push(h("li", {}, h("b", {}, "Answers"), answers(said.answers)));
  if (said.scope !== null && said.scope !== undefined) steps.push(h("li", {}, h("b", {}, "ECS scope "), `/${said.scope}`));
  return h("ol.path", {}, steps);
}

function pool(one) {
  return h("li", {},
    h(`div.branch${one.up ? "" : ".out"}`, {}, h("div.what", {},
      h("span.name", {}, one.name), h("span.tag", {}, one.strategy),
      h("span.soft", {}, `${one.members_up} of ${one.members.length} up, needs ${one.min_up}`))),
    h("ul.branches", {}, one.members.map((member) => h("li", {},
      h(`div.branch${member.out ? ".out" : ""}${member.chance > 0 ? ".chosen" : ""}`, {},
        h("div.what", {},
          h("span", { "aria-hidden": "true" }, member.out ? "✕" : member.chance > 0 ? "→" : "·"),
          h("span.name", {}, member.name),
          h("span.soft", {}, `weight ${member.weight}`),
          member.note ? h("span.soft", {}, member.note) : null,
          member.why ? h("span.why", {}, member.why) : null),
        chance(member.chance)),
      member.pool ? h("ul.branches", {}, pool(member.pool)) : null))));
}

function chance(part) {
  const fill = h("span.fill.got");
  fill.style.width = `${Math.min(1, part) * 100}%`;
  return h("div.bars", {}, h("span.pair", { "aria-hidden": "true" }, h("span.track", {}, fill)), h("span.figures", {}, percent(part)));
}

function answers(all) {
  const shown = all.slice(0, 50);
  return h("table.effect", {}, h("caption.hidden", {}, "Answers and their chances"),
    h("thead", {}, h("tr", {}, ["Chance", "Records", "TTL", "Rcode"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, shown.map((one) => h("tr", {}, h("td.n", {}, percent(one.chance)), h("td.mono", {}, one.records.map((record) => h("div", {}, record))), h("td.n", {}, `${one.ttl} s`), h("td", {}, one.rcode))),
      all.length > shown.length ? h("tr", {}, h("td", { colspan: 4 }, `and ${all.length - shown.length} more`)) : null));
}
