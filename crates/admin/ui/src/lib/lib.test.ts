import { expect, test } from "vitest";
import type { Service } from "../api/types";
import { FIRST_MS, LONGEST_MS, waitBefore } from "./backoff";
import { later } from "./code";
import { EVENT_CHARS_MAX, EventReader } from "./events";
import { matches, servicesFor, titleOf } from "./filter";
import { commandOf } from "./keys";
import { changesOf, draftOf, EMPTY_DRAFT, hidesSecrets, wishOf, wishOfDraft } from "./wish";

const key = (key: string, more: Partial<{ ctrlKey: boolean; metaKey: boolean; altKey: boolean }> = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

test("1 to 6 are the seeds' views, 7 the record, 8 the settings", () => {
  const paths = ["1", "2", "3", "4", "5", "6", "7", "8"].map((number) => commandOf(key(number), false));
  expect(paths).toEqual(["/", "/dns", "/tls", "/services", "/servers", "/routing", "/audit", "/settings"].map((go) => ({ go })));
  expect(commandOf(key("9"), false)).toBeNull();
});

test("in a field only the palette and Esc are ours", () => {
  expect(["1", "/", "?"].map((text) => commandOf(key(text), true))).toEqual([null, null, null]);
  expect(commandOf(key("Escape"), true)).toBe("escape");
  expect(commandOf(key("k", { ctrlKey: true }), true)).toBe("palette");
  expect(commandOf(key("K", { metaKey: true }), false)).toBe("palette");
});

test("the browser's own shortcuts stay its own", () => {
  expect(commandOf(key("1", { ctrlKey: true }), false)).toBeNull();
  expect(commandOf(key("1", { altKey: true }), false)).toBeNull();
  expect(commandOf(key("k"), false)).toBeNull();
});

test("waits grow, are bounded, and are spread", () => {
  expect(waitBefore(0, 1)).toBe(FIRST_MS);
  expect(waitBefore(1, 1)).toBe(2 * FIRST_MS);
  expect(waitBefore(100, 1)).toBe(LONGEST_MS);
  expect(waitBefore(100, 0)).toBe(LONGEST_MS / 2);
  for (let attempt = 0; attempt < 20; attempt += 1) expect(waitBefore(attempt)).toBeGreaterThanOrEqual(FIRST_MS / 2);
});

test("events are read in whatever pieces they come", () => {
  const text = ": connected\n\nevent: node_changed\ndata: {\"a\":1}\n\n: still here\n\ndata: one\r\ndata: two\r\n\r\nevent: empty\n\n";
  const whole = new EventReader().push(text);
  expect(whole).toEqual([{ kind: "node_changed", data: '{"a":1}' }, { kind: "message", data: "one\ntwo" }]);
  const reader = new EventReader();
  expect([...text].flatMap((letter) => reader.push(letter))).toEqual(whole);
});

test("an endless line is not kept", () => {
  const reader = new EventReader();
  reader.push(`data: ${"x".repeat(EVENT_CHARS_MAX + 1)}`);
  expect(reader.push("\n\ndata: next\n\n").at(-1)).toEqual({ kind: "message", data: "next" });
});

const service = (name: string, more: Partial<Service> = {}): Service => ({
  name, title: null, upstream: "10.0.0.1:80", upstreams: ["10.0.0.1:80"], domain: `${name}.internal`, aliases: [], protocol: "http", status: "active", registered_at: "", deregistered_at: null, health_check: null,
  health_status: "healthy", health_reason: null, last_health_check: null, response_time_ms: 1, tls: { not_after: "", fingerprint_sha256: "" }, monitoring: { type: null, container_name: null, ssh_host: null },
  url: null, dns: "gateway", when_all_ejected: "fail", upstream_health: [], checks: { dns: null, tls: null }, ...more,
});

test("what needs attention comes first", () => {
  const all = [service("b"), service("a", { health_status: "down" }), service("c", { health_status: "degraded" }), service("d", { health_status: "unknown" })];
  expect(servicesFor(all, "", "all").map((one) => one.name)).toEqual(["a", "c", "d", "b"]);
  expect(servicesFor(all, "", "down").map((one) => one.name)).toEqual(["a"]);
  expect(servicesFor(all, "", "all", "name").map((one) => one.name)).toEqual(["a", "b", "c", "d"]);
});

test("a service is found by its title", () => {
  const all = [service("grafana", { title: "GPU dashboards" }), service("web")];
  expect(servicesFor(all, "dashb gpu", "all").map(titleOf)).toEqual(["GPU dashboards"]);
  expect(servicesFor(all, "graf", "all")).toHaveLength(1);
});

test("a title is kept by an edit, and goes when it is emptied", () => {
  const before = service("a", { title: "GPU dashboards" });
  expect(wishOfDraft(draftOf(before), before)).toMatchObject({ title: "GPU dashboards" });
  expect(wishOfDraft({ ...draftOf(before), title: "  " }, before)).not.toHaveProperty("title");
  expect(changesOf(before, service("a"))).toEqual(["title"]);
});

test("every word of a search must be found somewhere", () => {
  expect(matches("graf INTERNAL", "grafana", "grafana.internal")).toBe(true);
  expect(matches("graf local", "grafana", "grafana.internal")).toBe(false);
  expect(matches("", null)).toBe(true);
});

test("a service asks for itself again", () => {
  const wish = wishOf(service("a", { aliases: ["b.internal"], health_check: "/up", tls: null, policy: { preset: "grafana" } }));
  expect(wish).toEqual({ name: "a", upstreams: ["10.0.0.1:80"], domain: "a.internal", protocol: "http", tls: false, dns: "gateway", when_all_ejected: "fail", aliases: ["b.internal"], health: "/up", policy: { preset: "grafana" } });
});

test("an edited service keeps what the panel does not show", () => {
  const before = service("a", { policy: { preset: "grafana", retries: 2 }, when_all_ejected: "try", monitoring: { type: "container", container_name: "c", ssh_host: null } });
  const wish = wishOfDraft({ ...draftOf(before), upstreams: ["10.0.0.2:80", " "], preset: "" }, before);
  expect(wish).toMatchObject({ upstreams: ["10.0.0.2:80"], policy: { retries: 2 }, when_all_ejected: "try", monitoring: { container_name: "c" }, replace: true });
  expect(wish).not.toHaveProperty("preset");
  expect(wishOfDraft({ ...draftOf(before), tls: false }, before)).not.toHaveProperty("dns");
});

test("a new service leaves to the daemon what nobody chose", () => {
  expect(wishOfDraft({ ...EMPTY_DRAFT, name: " a ", upstreams: ["h:1"] })).toEqual({ name: "a", upstreams: ["h:1"], tls: true });
  expect(wishOfDraft({ ...EMPTY_DRAFT, name: "a", upstreams: ["h:1"], protocol: "tcp" })).not.toHaveProperty("tls");
});

test("hidden secrets are not sent back", () => {
  expect(hidesSecrets(service("a", { policy: { auth: { password: "(hidden)" } } }))).toBe(true);
  expect(hidesSecrets(service("a"))).toBe(false);
});

test("two readings differ in what was registered, not in how it is doing", () => {
  const before = service("a", { aliases: ["b.internal"], health_status: "healthy" });
  expect(changesOf(before, { ...before, health_status: "down", response_time_ms: 9 })).toEqual([]);
  expect(changesOf(before, { ...before, upstreams: ["10.0.0.9:80"], aliases: [] }).sort()).toEqual(["aliases", "upstreams"]);
});

test("code waits for a gateway that is away, and fails when it is back without it", async () => {
  const answers = [false, false, true];
  const waits: number[] = [];
  let loads = 0;
  const bring = (good: number) => later(() => (++loads >= good ? Promise.resolve("here") : Promise.reject(new Error("gone"))), () => Promise.resolve(answers.shift() ?? true), (ms) => Promise.resolve(void waits.push(ms)));
  expect(await bring(3)()).toBe("here");
  expect([loads, waits.length]).toEqual([3, 2]);
  loads = 0;
  await expect(bring(9)()).rejects.toThrow("gone");
  expect(loads).toBe(2);
});
