// Which things a search finds, and in which order they stand.
import type { HealthStatus, Service } from "../api/types";

/** What needs attention first. */
const ORDER: Record<HealthStatus, number> = { down: 0, degraded: 1, unknown: 2, healthy: 3 };

export function matches(query: string, ...texts: (string | null | undefined)[]): boolean {
  const all = texts.filter(Boolean).join("\n").toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** What people call it. */
export const titleOf = (service: Service) => service.title ?? service.name;

export type Sort = "state" | "name" | "time";

export function servicesFor(services: readonly Service[], query: string, state: HealthStatus | "all", sort: Sort = "state"): Service[] {
  const found = services.filter((service) => (state === "all" || service.health_status === state) && matches(query, service.name, service.title, service.domain, ...service.aliases, ...service.upstreams));
  const byName = (a: Service, b: Service) => a.name.localeCompare(b.name);
  if (sort === "name") return found.sort(byName);
  if (sort === "time") return found.sort((a, b) => (b.response_time_ms ?? -1) - (a.response_time_ms ?? -1) || byName(a, b));
  return found.sort((a, b) => ORDER[a.health_status] - ORDER[b.health_status] || byName(a, b));
}
