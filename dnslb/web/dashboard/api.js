// The server's API: JSON requests with the token, and its stream of events.

const KEY = "dnslb.token";
const BASE = "/api/v1/";

/** What the API said instead of an answer; `status` is 0 where it could not be reached. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let asking = null; // one question for the token at a time
let askToken = async () => "";

/** `ask(wrong)` resolves to the token that the operator gives. */
export function onToken(ask) {
  askToken = ask;
}

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers };
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(BASE + path, { cache: "no-store", credentials: "omit", ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, "unreachable", "The server cannot be reached.");
    }
    if (response.status !== 401) return response;
    if (token === sessionStorage.getItem(KEY)) {
      asking ??= askToken(token !== null).finally(() => { asking = null; });
      sessionStorage.setItem(KEY, await asking);
    }
  }
}

async function refusal(response) {
  const said = await response.json().catch(() => ({}));
  const { code = "error", message = `${response.status} ${response.statusText}` } = said.error ?? {};
  const refused = new Refused(response.status, code, message);
  refused.body = said;
  return refused;
}

async function json(path, options) {
  const response = await send(path, options);
  if (!response.ok) throw await refusal(response);
  try {
    return await response.json();
  } catch {
    throw new Refused(0, "broken", "The answer broke off.");
  }
}

export const get = (path) => json(path);

export const write = (method, path, body) =>
  json(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** The answer, or null where this server has no such thing, or has it turned off. */
export async function getIfThere(path) {
  try {
    return await get(path);
  } catch (error) {
    if ([404, 405].includes(error.status) || error.code === "top-off") return null;
    throw error;
  }
}

const SILENCE = 45_000; // milliseconds; heartbeats come every 15 seconds

/** Read events until the stream ends; `last` is the id to go on after. Throws `Refused`. */
export async function events(last, onOpen, onEvent) {
  const abort = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE);
  };
  alive();
  try {
    const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
    const response = await send("events", { headers, signal: abort.signal });
    if (!response.ok) throw await refusal(response);
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) onEvent(event);
      }
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

function parse(block) {
  const event = { kind: "message", id: null, data: "" };
  for (const line of block.split("\n")) {
    const [field, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trimStart()];
    if (field === "event") event.kind = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data += value;
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}

/** The path of a backend, below `backends/`. */
export const path = (one) => `${encodeURIComponent(one.pool)}/${encodeURIComponent(one.name ?? one.backend)}`;
export const inZone = (one) => `?zone=${encodeURIComponent(one.zone)}`;
