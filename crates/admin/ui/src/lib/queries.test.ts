import { expect, test } from "vitest";
import type { DnsQuery, QueryList } from "../api/types";
import { hitRate, kindOf, merged, QUERIES_MAX, queriesFor } from "./queries";

const query = (sequence: number, more: Partial<DnsQuery> = {}): DnsQuery => ({ sequence, time: "2026-11-23T20:00:00Z", client: "10.0.0.9", transport: "udp", name: "web.internal", type: "A", outcome: "records", rcode: "NOERROR", source: "service", duration_ms: 0.1, ...more });
const list = (last: number, queries: DnsQuery[]): QueryList => ({ logged: "all", sample: 1, clients: "full", output: "memory", lost: 0, last, queries });

test("what is new comes on top, once", () => {
  const before = list(2, [query(2), query(1)]);
  const after = merged(before, list(4, [query(4), query(3), query(2)]));
  expect(after.queries.map((query) => query.sequence)).toEqual([4, 3, 2, 1]);
  expect(merged(undefined, before)).toBe(before);
  const many = merged(list(1, [query(1)]), list(QUERIES_MAX + 1, Array.from({ length: QUERIES_MAX }, (_, index) => query(QUERIES_MAX + 1 - index))));
  expect(many.queries.length).toBe(QUERIES_MAX);
  expect(many.queries.at(-1)?.sequence).toBe(2);
});

test("a gateway that began anew stands alone", () => {
  expect(merged(list(900, [query(900)]), list(1, [query(1)])).queries.map((query) => query.sequence)).toEqual([1]);
});

test("queries are found by what they say and by how they ended", () => {
  const all = [query(1), query(2, { name: "nope.internal", outcome: "nxdomain", rcode: "NXDOMAIN", source: "zone" }), query(3, { client: "10.0.2.7", outcome: "refused", rcode: "REFUSED", source: "policy" }), query(4, { outcome: "short", source: "request" })];
  const found = (text: string, outcome: "all" | "ok" | "absent" | "error") => queriesFor(all, text, outcome).map((query) => query.sequence);
  expect(found("", "all")).toEqual([1, 2, 3, 4]);
  expect(found("NOPE", "all")).toEqual([2]);
  expect(found("10.0.2", "all")).toEqual([3]);
  expect(found("web policy", "all")).toEqual([3]);
  expect(found("", "error")).toEqual([3, 4]);
  expect(found("", "absent")).toEqual([2]);
  expect(kindOf(query(5, { outcome: "truncated" }))).toBe("ok");
});

test("a rate needs questions", () => {
  expect(hitRate(0, 0)).toBeNull();
  expect(hitRate(90, 10)).toBe(0.9);
});
