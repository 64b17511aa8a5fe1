import { expect, test } from "vitest";
import { bytes, DASH, duration, millis, pairs, percent, perSecond, relative, shellWord } from "./format";

test("rates", () => {
  expect([null, 0, 0.25, 12.34, 250.4, 12_345].map(perSecond)).toEqual([DASH, "0/s", "0.3/s", "12.3/s", "250/s", "12.3k/s"]);
});

test("bytes are in powers of 1024, and unknown ones are a dash", () => {
  expect([0, 1023, 1024, 1536, 150 * 2 ** 20, 2 ** 40, null, NaN].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "150 MiB", "1.0 TiB", "–", "–"]);
});

test("a share of nothing known is not zero", () => {
  expect([0, 0.005, 0.994, 1, null].map(percent)).toEqual(["0 %", "1 %", "99 %", "100 %", "–"]);
});

test("a time is in the unit that has few digits", () => {
  expect([0, 0.4, 7, 999, 1500, 12_345, null].map(millis)).toEqual(["0 ms", "< 1 ms", "7 ms", "999 ms", "1.5 s", "12 s", "–"]);
});

test("a duration has its two largest parts, and seconds only when there is little else", () => {
  expect([0, 12, 60, 75, 3600, 3725, 90_000, 86_400, 86_405, null].map(duration)).toEqual(["0 s", "12 s", "1 min", "1 min", "1 h", "1 h 2 min", "1 d 1 h", "1 d", "1 d", "–"]);
});

test("moments are told from now, both ways", () => {
  const now = Date.parse("2026-04-04T12:00:00Z");
  expect(relative("2026-04-04T11:59:58Z", now)).toBe("now");
  expect(relative("2026-04-04T11:59:20Z", now)).toBe("40 s ago");
  expect(relative("2026-04-04T10:00:00Z", now)).toBe("2 h ago");
  expect(relative("2026-04-07T12:00:00Z", now)).toBe("in 3 d");
  expect(relative("not a time", now)).toBe("–");
  expect(relative(null, now)).toBe("–");
});

test("fingerprints come in bytes", () => {
  expect(pairs("0aff1")).toEqual(["0A", "FF", "1"]);
});

test("what a shell would take apart is quoted", () => {
  expect(shellWord("https://grafana.internal:8443")).toBe("https://grafana.internal:8443");
  expect(shellWord("a b")).toBe("'a b'");
  expect(shellWord("it's; rm -rf /")).toBe("'it'\\''s; rm -rf /'");
});
