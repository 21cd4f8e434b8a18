// Drain and undrain: what it would do first, then a word from the operator, then the change.

import { inZone, path, write } from "./api.js";
import { $, h, put, say } from "./dom.js";
import { percent } from "./text.js";

let done = async () => {};

/** `refresh(backend)` is called after each change. */
export function onOperated(refresh) {
  done = refresh;
}

/** Ask, with the effect on shares, whether `backend` shall be in the state `to`. */
export async function operate(backend, to) {
  const dialog = $("operate");
  const form = dialog.querySelector("form");
  const confirm = form.querySelector("button.main");
  const failure = form.querySelector(".failure");
  const label = to === "auto" ? "Undrain" : "Drain";
  const url = `backends/${path(backend)}/state${inZone(backend)}`;
  say($("operate-title"), `${label} ${backend.pool}/${backend.name}`);
  say(confirm, label);
  say(failure, "");
  const effect = h("div", { role: "status", "aria-live": "polite" }, h("p.hint", {}, "Working out the effect …"));
  const reason = h("input", { id: "operate-reason", maxlength: "200", autocomplete: "off", placeholder: "maintenance" });
  const until = h("input", { id: "operate-until", autocomplete: "off", placeholder: "30m, 2h, or empty: until undrained" });
  const force = h("input", { id: "operate-force", type: "checkbox" });
  const forced = h("div.field.check", { hidden: true }, force, h("label", { for: "operate-force" }, "Do it all the same"));
  const fields = to === "auto" ? [] : [
    h("div.field", {}, h("label", { for: "operate-reason" }, "Reason"), reason),
    h("div.field", {}, h("label", { for: "operate-until" }, "Ends after"), until),
  ];
  put(form.querySelector(".body"), effect, fields, forced);
  const body = () => ({
    state: to,
    ...(to !== "auto" && reason.value ? { reason: reason.value } : {}),
    ...(to !== "auto" && until.value ? { until: until.value.trim() } : {}),
    ...(force.checked ? { force: true } : {}),
  });
  form.querySelector(".cancel").onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    confirm.disabled = true;
    try {
      await write("PUT", url, body());
      dialog.close();
      await done(backend);
    } catch (error) {
      say(failure, error.message);
      forced.hidden = error.code !== "min-up";
    } finally {
      confirm.disabled = false;
    }
  };
  dialog.showModal();
  (to === "auto" ? confirm : reason).focus();
  await preview(url, to, effect, forced);
}

async function preview(url, to, effect, forced) {
  try {
    const said = await write("PUT", url, { state: to, dry_run: true });
    if (said.effect === undefined) throw new Error("no dry run");
    forced.hidden = !said.refused;
    put(effect, said.refused ? h("p.notice.bad", {}, said.refused) : null, effectTable(said.effect));
  } catch (error) {
    // a server without dry runs refuses the key, and nothing has changed
    forced.hidden = error.code !== "min-up";
    const text = error.code === "min-up" ? error.message : "The effect on shares cannot be shown by this server.";
    put(effect, h("p.notice", {}, text));
  }
}

function effectTable(rows) {
  const changed = rows.filter((one) => one.before !== one.after);
  if (!changed.length) return h("p.hint", {}, "No backend's share changes.");
  const part = (share) => (share === null || share === undefined ? "by client" : percent(share));
  return h("table.effect", {},
    h("caption", {}, "Shares of answers before and after"),
    h("thead", {}, h("tr", {}, ["Service", "Backend", "Before", "After"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, changed.slice(0, 12).map((one) => h("tr", {},
      h("td", {}, one.service), h("th", { scope: "row" }, one.backend), h("td.n", {}, part(one.before)), h("td.n", {}, part(one.after)))),
    changed.length > 12 ? h("tr", {}, h("td", { colspan: 4 }, `and ${changed.length - 12} more`)) : null));
}
