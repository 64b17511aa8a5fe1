import { expect, test } from "vitest";
import type { Traffic } from "../api/types";
import { begun, type Counted, latest, moved, NO_FLOW, PACE_MS, POINTS_MAX } from "./traffic";

const counts = (requests: number, more: Partial<Traffic> = {}): Traffic => ({ requests, errors: 0, in_flight: 0, received_bytes: 0, sent_bytes: 0, took_ms: 0, ...more });
const counted = (uptime_ms: number, web: Traffic, more: Partial<Counted> = {}): Counted => ({ uptime_ms, total: web, services: { web }, ...more });

test("rates are differences over the gateway's own time", () => {
  const start = begun(counted(1_000, counts(10)), NO_FLOW);
  expect(latest(start.total).requests).toBe(0);
  const flow = moved(start, counted(3_000, counts(30, { errors: 4, sent_bytes: 2_000, took_ms: 100, in_flight: 3 })), 50);
  expect(latest(flow.services.web)).toEqual({ requests: 10, errors: 2, received: 0, sent: 1_000, took_ms: 5, inFlight: 3 });
  expect(flow.total?.points).toEqual([{ at: 50, rates: latest(flow.total) }]);
});

test("a service that is new counts from nothing, and one that is not told stands still", () => {
  const start = begun(counted(1_000, counts(10)), NO_FLOW);
  const flow = moved(start, { uptime_ms: 2_000, total: counts(14), services: { wiki: counts(4) } }, 1);
  expect(latest(flow.services.wiki).requests).toBe(4);
  expect(latest(flow.services.web).requests).toBe(0);
});

test("where some are left out, those that are not told are not known", () => {
  const start = moved(begun(counted(1_000, counts(0)), NO_FLOW), counted(2_000, counts(5)), 1);
  const flow = moved(start, { uptime_ms: 3_000, total: counts(9), services: {}, left_out: 1 }, 2);
  expect(flow.services.web).toBe(start.services.web);
});

test("after silence a rate is of the last step only, and the line falls before it", () => {
  const busy = moved(begun(counted(1_000, counts(0)), NO_FLOW), counted(3_000, counts(4)), 10);
  const flow = moved(busy, counted(63_000, counts(8)), 70);
  expect(flow.total?.points.map((point) => [point.at, point.rates.requests])).toEqual([[10, 2], [70 - PACE_MS / 1000, 0], [70, 2]]);
});

test("a gateway that began anew is begun with anew", () => {
  const busy = moved(begun(counted(9_000, counts(90)), NO_FLOW), counted(11_000, counts(99)), 10);
  const flow = moved(busy, counted(500, counts(3)), 12);
  expect(flow.total).toEqual({ uptime_ms: 500, counts: counts(3), points: [] });
  expect(begun(counted(12_000, counts(100)), busy).total?.points).toHaveLength(1);
  expect(begun(counted(12, counts(1)), busy).total?.points).toHaveLength(0);
});

test("five minutes are kept", () => {
  let flow = begun(counted(0, counts(0)), NO_FLOW);
  for (let step = 1; step <= POINTS_MAX + 20; step += 1) flow = moved(flow, counted(step * PACE_MS, counts(step)), step);
  expect(flow.total?.points).toHaveLength(POINTS_MAX);
  for (let step = 1; step <= POINTS_MAX; step += 1) flow = moved(flow, { uptime_ms: (step + 500) * PACE_MS, total: counts(9_000 + step), services: {} }, step);
  expect(flow.services.web?.points).toEqual([]);
});
