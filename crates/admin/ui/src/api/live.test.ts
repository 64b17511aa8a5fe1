import { expect, test, vi } from "vitest";
import type { GatewayStatus } from "./types";

vi.stubGlobal("localStorage", undefined);
const { keysFor, outdatedBy } = await import("./live");

const status = (more: Partial<GatewayStatus> = {}): GatewayStatus => ({
  version: "1", ready: true, not_ready: [], stopping: false, uptime_seconds: 1, pid: 1, generation: 1, tables: { routes: "1.0", zone: "1.0" },
  listen: { dns: [], https: [], http3: [], http: [], admin: [], socket: null }, domains: [], addresses: [], services: { healthy: 1, degraded: 0, down: 0, unknown: 0, total: 1 },
  certs: { valid: 1, expiring: 0, expired: 0 }, last_audit: null, ...more,
});

test("a status that tells nothing new makes nothing old", () => {
  expect(outdatedBy(status(), status({ uptime_seconds: 2 }))).toEqual([]);
});

test("each change makes old what shows it", () => {
  expect(outdatedBy(status(), status({ generation: 2 })).sort()).toEqual(["dns", "routing", "services", "tls"]);
  expect(outdatedBy(status(), status({ pid: 2 }))).toContain("services");
  expect(outdatedBy(status(), status({ services: { healthy: 0, degraded: 0, down: 1, unknown: 0, total: 1 } })).sort()).toEqual(["routing", "services"]);
  expect(outdatedBy(status(), status({ certs: { valid: 0, expiring: 1, expired: 0 } }))).toEqual(["tls"]);
  expect(outdatedBy(status(), status({ last_audit: { sequence: 1 } as GatewayStatus["last_audit"] }))).toEqual(["audit"]);
});

test("events are about what their kinds say", () => {
  expect(keysFor("nodes_read")).toEqual(["nodes"]);
  expect(keysFor("alert_raised")).toContain("nodes");
  expect(keysFor("service_registered")).toContain("dns");
  expect(keysFor("health_changed")).not.toContain("dns");
  expect(keysFor("left_out")).toEqual(expect.arrayContaining(["services", "nodes", "audit"]));
  expect(keysFor("something_else")).toEqual([]);
});
