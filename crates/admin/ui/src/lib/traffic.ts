// Rates out of counts: what goes through, by service, over the last minutes.
import type { Traffic } from "../api/types";

/** What one event tells, and what the list of the API has. */
export interface Counted { uptime_ms: number; total: Traffic; services: Record<string, Traffic>; left_out?: number }

/** What went through per second; how long a request took on average, when there was one. */
export interface Rates { requests: number; errors: number; received: number; sent: number; took_ms: number | null; inFlight: number }
export interface Point { at: number; rates: Rates }
/** Counts, as they were at a time of the gateway's, and the rates before. */
export interface Line { uptime_ms: number; counts: Traffic; points: Point[] }
export interface Flow { total: Line | null; services: Record<string, Line> }

/** From one event to the next while something goes through (TRAFFIC_PACE in crates/admin/src/limits.rs). */
export const PACE_MS = 2_000;
/** Points that are kept: five minutes. */
export const POINTS_MAX = 150;
export const NO_FLOW: Flow = { total: null, services: {} };
export const STILL: Rates = { requests: 0, errors: 0, received: 0, sent: 0, took_ms: null, inFlight: 0 };
const NOTHING: Traffic = { requests: 0, errors: 0, in_flight: 0, received_bytes: 0, sent_bytes: 0, took_ms: 0 };

/** What rates begin from: the counts of all services, without a rate yet. */
export function begun(list: Counted, before: Flow): Flow {
  const again = before.total !== null && before.total.uptime_ms <= list.uptime_ms;
  const line = (counts: Traffic, old: Line | null | undefined): Line => ({ uptime_ms: list.uptime_ms, counts, points: again ? (old?.points ?? []) : [] });
  return {
    total: line(list.total, before.total),
    services: Object.fromEntries(Object.entries(list.services).map(([name, counts]) => [name, line(counts, before.services[name])])),
  };
}

/** What is known after an event; `at` is now, in seconds. */
export function moved(flow: Flow, event: Counted, at: number): Flow {
  if (flow.total === null || event.uptime_ms < flow.total.uptime_ms) return begun(event, NO_FLOW);
  const services: Record<string, Line> = {};
  const isWhole = !event.left_out;
  for (const name of new Set([...Object.keys(flow.services), ...Object.keys(event.services)])) {
    const old = flow.services[name] ?? { uptime_ms: flow.total.uptime_ms, counts: NOTHING, points: [] };
    const counts = event.services[name] ?? (isWhole ? old.counts : null);
    const line = counts === null ? old : next(old, counts, event.uptime_ms, at);
    // Whoever had nothing for five minutes needs no line.
    services[name] = line.points.every((point) => point.rates.requests + point.rates.sent + point.rates.inFlight === 0) ? { ...line, points: [] } : line;
  }
  return { total: next(flow.total, event.total, event.uptime_ms, at), services };
}

function next(old: Line, counts: Traffic, uptime_ms: number, at: number): Line {
  const elapsed = uptime_ms - old.uptime_ms;
  if (elapsed <= 0) return old;
  // Nothing was told meanwhile, so nothing went through but in the last step.
  const wasQuiet = elapsed > PACE_MS * 1.5;
  const seconds = (wasQuiet ? PACE_MS : elapsed) / 1000;
  const grown = (key: keyof Traffic) => Math.max(0, counts[key] - old.counts[key]);
  const requests = grown("requests");
  const rates: Rates = {
    requests: requests / seconds, errors: grown("errors") / seconds, received: grown("received_bytes") / seconds, sent: grown("sent_bytes") / seconds,
    took_ms: requests > 0 ? grown("took_ms") / requests : null, inFlight: counts.in_flight,
  };
  const points = [...old.points];
  if (wasQuiet && points.length > 0) points.push({ at: at - PACE_MS / 1000, rates: { ...STILL, inFlight: old.counts.in_flight } });
  points.push({ at, rates });
  return { uptime_ms, counts, points: points.slice(-POINTS_MAX) };
}

/** The rates of now; still, when nothing was told lately. */
export const latest = (line: Line | null | undefined): Rates => line?.points.at(-1)?.rates ?? STILL;
