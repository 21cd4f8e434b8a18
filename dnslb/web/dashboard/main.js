// The page: what is read when, and what is said of the connection.

import { events, forgetToken, get, hasToken, onToken } from "./api.js";
import { showBackends, startBackends } from "./backends.js";
import { $, say } from "./dom.js";
import { startExplain } from "./explain.js";
import { onOperated } from "./operate.js";
import { showStatus } from "./overview.js";
import { readServices, startServices } from "./services.js";
import { keyOf, readAll, readOne } from "./store.js";
import { startTheme } from "./theme.js";
import { at } from "./text.js";
import { showEvent } from "./timeline.js";
import { readWorld } from "./world.js";

const STATUS = 2_000; // milliseconds between two readings
const TREES = 5_000;
const MAP = 15_000;
const ROWS = 5_000; // at least; long lists are read again less often
const SHARE = 20; // reading all backends takes at most one part in so many of the time

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

// --- the connection ---

let live = null; // null: not known yet
let woken = null;

function tell(now, why = "") {
  if (now === live && now) return;
  const was = live;
  if (now !== live) {
    live = now;
    const element = $("connection");
    element.dataset.state = now ? "live" : "lost";
    say(element, now ? `Live since ${at(new Date().toISOString())}` : `Connection lost at ${at(new Date().toISOString())}; trying again. ${why}`);
  }
  if (now && was !== true) readEverything();
}

async function watchStatus() {
  for (;;) {
    try {
      showStatus(await get("status"));
      tell(true);
    } catch (error) {
      if (error.status === undefined) throw error;
      tell(false, error.status ? error.message : "");
    }
    await Promise.race([pause(STATUS), new Promise((go) => { woken = go; })]);
  }
}

// --- what is read again and again ---

/** Run `read` until the page is closed; what fails is tried again, and the status says why. */
async function again(read, milliseconds) {
  for (;;) {
    const started = performance.now();
    if (live && !document.hidden) await read().catch(report);
    await pause(Math.max(milliseconds, (performance.now() - started) * SHARE));
  }
}

function report(error) {
  if (error.status === undefined) console.error(error);
}

async function readBackends() {
  await readAll();
  showBackends();
}

function readEverything() {
  readBackends().catch(report);
  readServices().catch(report);
  readWorld().catch(report);
}

// --- events ---

const changed = new Map(); // backends to be read again, by key
let draining = false;
let services = null;

async function readChanged() {
  if (draining) return;
  draining = true;
  try {
    while (changed.size) {
      // after a burst one reading of all is less work than hundreds of one each
      if (changed.size > 100) {
        changed.clear();
        await readAll();
      } else {
        const [[key, one]] = changed;
        changed.delete(key);
        await readOne(one);
      }
    }
    showBackends();
  } catch (error) {
    report(error);
  } finally {
    draining = false;
  }
}

function onEvent(event) {
  showEvent(event);
  const { data } = event;
  if (data.backend && data.pool && data.zone) {
    const one = { zone: data.zone, pool: data.pool, name: data.backend.split("/").pop() };
    changed.set(keyOf(one), one);
    readChanged();
  } else if (["state", "frozen", "thawed", "reload", "missed"].includes(event.kind)) {
    readBackends().catch(report);
  }
  clearTimeout(services);
  services = setTimeout(() => readServices().catch(report), 250);
}

async function watchEvents() {
  let last = null;
  let wait = 1_000;
  for (;;) {
    try {
      await events(last, () => { $("timeline").hidden = false; wait = 1_000; }, (event) => {
        last = event.id ?? last;
        onEvent(event);
      });
    } catch (error) {
      if (error.status === 404 || error.status === 405) return; // a server without events
    }
    woken?.(); // ask at once whether the server is still there
    await pause(wait);
    wait = Math.min(wait * 2, 15_000);
  }
}

// --- the token ---

function askToken(wrong) {
  const dialog = $("door");
  const input = $("token");
  say(dialog.querySelector(".failure"), wrong ? "The server does not know this token." : "");
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      $("forget").hidden = false;
      resolve(input.value.trim());
    };
  });
}

onToken(askToken);
onOperated(async (one) => {
  await readOne(one);
  showBackends();
  readServices().catch(report);
});
startTheme($("theme"));
startBackends();
startServices(() => readServices().catch(report));
startExplain();
$("forget").hidden = !hasToken();
$("forget").addEventListener("click", () => { forgetToken(); location.reload(); });
for (const section of document.querySelectorAll("main > section")) {
  const link = document.querySelector(`#sections a[href="#${section.id}"]`).parentElement;
  const follow = () => { link.hidden = section.hidden; };
  new MutationObserver(follow).observe(section, { attributes: true, attributeFilter: ["hidden"] });
  follow();
}
setInterval(() => { if (live && !document.hidden) showBackends(); }, 1_000);

watchStatus();
watchEvents();
again(readBackends, ROWS);
again(readServices, TREES);
again(readWorld, MAP);
