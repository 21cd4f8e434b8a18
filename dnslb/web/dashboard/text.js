// Numbers, times and shares as text.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export const number = (value) => plain.format(value);

/** A rate a second. */
export const rate = (value) => (value >= 100 ? plain : fine).format(value);

/** A part of 1 as a percentage. */
export const percent = (part) => `${(part > 0 && part < 0.1 ? fine : plain).format(part * 100)}%`;

/** Seconds as the two largest units: `3h 12m`. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let rest = whole;
  const said = [];
  for (const [size, unit] of parts) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || said.length) said.push(`${count}${unit}`);
    if (said.length === 2) break;
  }
  return said.filter((one, at) => at === 0 || !one.startsWith("0")).join(" ") || "0s";
}

/** How long ago a time in ISO 8601 was. */
export const ago = (iso) => (iso ? span((Date.now() - Date.parse(iso)) / 1000) : "–");

/** A time of today by the clock, others with their day. */
export function at(iso) {
  const when = new Date(iso);
  const today = day.format(new Date()) === day.format(when);
  return today ? clock.format(when) : `${day.format(when)} ${clock.format(when)}`;
}

export const zoneless = (name) => name.replace(/\.$/, "");
