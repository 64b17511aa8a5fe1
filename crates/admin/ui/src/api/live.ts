// Keeps what is shown true: listens to the daemon's events, and asks again for what they are about.
// What an event missed, the status tells a little later.
//
// Only a visible page listens. A stream that ends is opened again, later each time.
import { failureOf, signedOut } from "./client";
import { queryClient, statusQuery } from "./queries";
import type { GatewayStatus } from "./types";
import { waitBefore } from "../lib/backoff";
import { EventReader } from "../lib/events";
import { useApp } from "../store";
import { beginTraffic, takeTraffic } from "../traffic";

const STREAM = "/api/v1/events";
/** The daemon gives a sign of life every 15 s; after this long without one the stream is dead. */
const SILENCE_MS_MAX = 45_000;
/** Events within this time cause one question. */
const GATHER_MS = 250;

/** What an event makes old: the first part of its kind decides. */
const CONCERNS: Record<string, string[]> = {
  node: ["nodes"],
  nodes: ["nodes"],
  alert: ["nodes", "silences", "channels"],
  service: ["services", "routing", "dns", "tls", "status", "check"],
  health: ["services", "routing", "status", "check"],
  leaf: ["tls", "status", "check"],
  // Whatever people change is on record, also what no other event is about.
  audit: ["audit", "status", "tokens", "users", "silences"],
};
/** Counts, and no answer that grew old. */
const TRAFFIC = "traffic";
/** There was more than could be told. */
const LEFT_OUT = "left_out";

export function keysFor(kind: string): string[] {
  if (kind === LEFT_OUT) return [...new Set(Object.values(CONCERNS).flat())];
  return CONCERNS[kind.split("_", 1)[0] ?? ""] ?? [];
}

/** When an event last made an answer old. */
const asked = new Map<string, number>();
/** A status that tells the same as an event before it comes within this time. */
const SAME_MS = 4_000;

/** Starts listening; the result stops it. */
export function listen(): () => void {
  let isOver = false;
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let open: AbortController | undefined;
  const stale = new Set<string>();
  let gathering: ReturnType<typeof setTimeout> | undefined;

  const concern = (kind: string) => {
    for (const key of keysFor(kind)) stale.add(key);
    gathering ??= setTimeout(() => {
      gathering = undefined;
      for (const key of stale) {
        asked.set(key, Date.now());
        void queryClient.invalidateQueries({ queryKey: [key] });
      }
      stale.clear();
    }, GATHER_MS);
  };

  const run = async () => {
    open = new AbortController();
    const { signal } = open;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const feed = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => open?.abort(), SILENCE_MS_MAX);
    };
    try {
      feed();
      const response = await fetch(STREAM, { headers: { accept: "text/event-stream" }, credentials: "same-origin", cache: "no-store", signal });
      if (response.status === 401) signedOut();
      if (!response.ok || !response.body) throw await failureOf(response);
      if (attempt > 0) void queryClient.invalidateQueries();
      attempt = 0;
      useApp.getState().setLink("live");
      beginTraffic(signal).catch(() => {
        // Without it rates begin with the next event.
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = new EventReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        feed();
        for (const event of events.push(value)) {
          if (event.kind === TRAFFIC) takeTraffic(event.data);
          else concern(event.kind);
        }
      }
    } catch {
      // Below: whatever it was, the stream is opened again.
    } finally {
      clearTimeout(watchdog);
    }
    attempt += 1;
    return waitBefore(attempt - 1);
  };

  const loop = async () => {
    if (isOver || document.hidden) return;
    const wait = await run();
    if (isOver || document.hidden) return;
    useApp.getState().setLink("waiting");
    timer = setTimeout(() => void loop(), wait);
  };

  const turned = () => {
    clearTimeout(timer);
    open?.abort();
    if (!document.hidden) {
      attempt = 0;
      timer = setTimeout(() => void loop(), 0);
    }
  };

  document.addEventListener("visibilitychange", turned);
  void loop();
  const unsubscribe = followStatus();
  return () => {
    isOver = true;
    clearTimeout(timer);
    clearTimeout(gathering);
    open?.abort();
    document.removeEventListener("visibilitychange", turned);
    unsubscribe();
  };
}

/** What a new status makes old: nothing when it tells what the one before told. */
export function outdatedBy(before: GatewayStatus, now: GatewayStatus): string[] {
  const old = new Set<string>();
  const add = (...keys: string[]) => keys.forEach((key) => old.add(key));
  if (before.generation !== now.generation || before.pid !== now.pid) add("services", "routing", "dns", "tls");
  if (before.tables.routes !== now.tables.routes) add("routing", "tls");
  if (JSON.stringify(before.services) !== JSON.stringify(now.services)) add("services", "routing");
  if (JSON.stringify(before.certs) !== JSON.stringify(now.certs)) add("tls");
  if (before.last_audit?.sequence !== now.last_audit?.sequence) add("audit");
  return [...old];
}

function followStatus(): () => void {
  let before: GatewayStatus | undefined = queryClient.getQueryData(statusQuery.queryKey);
  return queryClient.getQueryCache().subscribe((event) => {
    if (event.type !== "updated" || event.query.queryKey[0] !== "status") return;
    const now = event.query.state.data as GatewayStatus | undefined;
    if (!now || now === before) return;
    const old = before ? outdatedBy(before, now).filter((key) => Date.now() - (asked.get(key) ?? 0) > SAME_MS) : [];
    before = now;
    for (const key of old) void queryClient.invalidateQueries({ queryKey: [key] });
  });
}
