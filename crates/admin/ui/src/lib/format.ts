// Numbers and times as people read them. What is not known is a dash.

export const DASH = "–";
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(count: number | null | undefined): string {
  if (count == null || !Number.isFinite(count)) return DASH;
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A share from 0 to 1. */
export function percent(share: number | null | undefined): string {
  return share == null || !Number.isFinite(share) ? DASH : `${Math.round(share * 100)} %`;
}

export function millis(ms: number | null | undefined): string {
  if (ms == null) return DASH;
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 1 && ms > 0 ? "< 1 ms" : `${Math.round(ms)} ms`;
}

/** A rate, such as `12.5/s`. */
export function perSecond(rate: number | null | undefined): string {
  if (rate == null || !Number.isFinite(rate)) return DASH;
  if (rate >= 10_000) return `${(rate / 1000).toFixed(1)}k/s`;
  return `${rate >= 100 || rate === 0 ? Math.round(rate) : rate.toFixed(1)}/s`;
}

/** `3 d 4 h`, `2 h 5 min`, `12 s`: the two largest parts. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return DASH;
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count], index) => index === 0 || (count > 0 && first < 2)).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** How long ago, or how far ahead, in one word or two. */
export function relative(at: string | null | undefined, now: number = Date.now()): string {
  const time = at ? Date.parse(at) : NaN;
  if (Number.isNaN(time)) return DASH;
  const seconds = Math.round((now - time) / 1000);
  const size = Math.abs(seconds);
  if (size < 5) return "now";
  const text = size < 60 ? `${size} s` : size < 3600 ? `${Math.floor(size / 60)} min` : size < 86_400 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86_400)} d`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

export function dateTime(at: string | null | undefined): string {
  const time = at ? new Date(at) : null;
  if (!time || Number.isNaN(time.getTime())) return DASH;
  const two = (n: number) => String(n).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export const date = (at: string | null | undefined) => (at ? dateTime(at).slice(0, 10) : DASH);

/** Hexadecimal in pairs, as trust stores show fingerprints. */
export const pairs = (hex: string) => (hex.match(/.{1,2}/g) ?? []).map((pair) => pair.toUpperCase());

export const plural = (count: number, one: string, many: string) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** Escapes a text for a POSIX shell. */
export const shellWord = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export const days = (at: string, now: number = Date.now()) => Math.floor((Date.parse(at) - now) / 86_400_000);
