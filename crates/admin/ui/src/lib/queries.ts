// The query log as the page holds it: what is new is put on top of what was there.
import type { DnsQuery, QueryList } from "../api/types";
import { matches } from "./filter";

/** Lines that the gateway keeps, and the page as well. */
export const QUERIES_MAX = 1_000;

/** What `fresh` adds to `before`; a number that went back is of another gateway's life, so it stands alone. */
export function merged(before: QueryList | undefined, fresh: QueryList): QueryList {
  if (!before || fresh.last < before.last) return fresh;
  const known = before.last;
  const added = fresh.queries.filter((query) => (query.sequence ?? 0) > known);
  return { ...fresh, queries: [...added, ...before.queries].slice(0, QUERIES_MAX) };
}

export type Outcome = "all" | "ok" | "absent" | "error";

/** Answers, absences, and what went wrong. */
export function kindOf(query: DnsQuery): Exclude<Outcome, "all"> {
  if (query.outcome === "records" || query.outcome === "truncated") return "ok";
  return query.outcome === "nodata" || query.outcome === "nxdomain" ? "absent" : "error";
}

export const queriesFor = (queries: readonly DnsQuery[], text: string, outcome: Outcome): DnsQuery[] =>
  queries.filter((query) => (outcome === "all" || kindOf(query) === outcome) && matches(text, query.name, query.type, query.client, query.outcome, query.rcode, query.source, query.service, query.forwarder, ...(query.answers ?? [])));

/** The share of questions that were answered from the cache; none before the first. */
export const hitRate = (hits: number, misses: number) => (hits + misses === 0 ? null : hits / (hits + misses));
