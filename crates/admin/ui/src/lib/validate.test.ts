import { expect, test } from "vitest";
import { hostProblem, nameProblem, problemsOf, titleProblem, upstreamProblem } from "./validate";
import { EMPTY_DRAFT } from "./wish";

test.each(["grafana", "a", "Open_WebUI-2", "x".repeat(63)])("%s is a name", (name) => expect(nameProblem(name)).toBeNull());

test.each(["", "-a", "a_", "a b", "ä", "a.b", "x".repeat(64), "conduit", "DNS", "<script>"])("%j is no name", (name) => expect(nameProblem(name)).not.toBeNull());

test("a name that is taken is told as such, in any case", () => {
  expect(nameProblem("Grafana", new Set(["grafana"]))).toMatch(/already/);
});

test.each(["10.0.1.50:3000", "localhost:1", "gpu-1.lab:65535", "[::1]:80", "https://10.0.1.9:8443", " 127.0.0.1:80 "])("%s is an upstream", (text) => expect(upstreamProblem(text)).toBeNull());

test.each(["", "10.0.1.50", "10.0.1.50:0", "10.0.1.50:65536", "999.1.1.1:80", "1.2.3:80", "host:80/path", "a b:80", "::1:80", "user@host:22", "host:", "-a:80", "<img src=x>:80"])("%j is no upstream", (text) =>
  expect(upstreamProblem(text)).not.toBeNull());

test("a preset knows the port", () => {
  expect(upstreamProblem("10.0.1.50", true)).toBeNull();
  expect(upstreamProblem("10.0.1.50:0", true)).not.toBeNull();
});

test("hosts are labels", () => {
  expect(hostProblem("grafana.lab.internal.")).toBeNull();
  for (const host of ["", "a..b", "-a.b", "a-.b", "a_b.c", `${"x".repeat(64)}.a`, "x.".repeat(130)]) expect(hostProblem(host), host).not.toBeNull();
});

test("a whole draft is judged by field", () => {
  const good = { ...EMPTY_DRAFT, name: "grafana", upstreams: ["10.0.1.50:3000", ""] };
  expect(problemsOf(good, new Set(), ["internal"])).toEqual({});
  const bad = { ...good, upstreams: ["a:1", "a:1"], domain: "example.com", aliases: "fine.internal, not_fine", health: "health" };
  expect(Object.keys(problemsOf(bad, new Set(), ["internal"])).sort()).toEqual(["aliases", "domain", "health", "upstreams"]);
  expect(problemsOf({ ...good, domain: "grafana.internal" }, new Set(), ["internal"])).toEqual({});
  expect(problemsOf({ ...good, domain: "myinternal" }, new Set(), ["internal"])).toHaveProperty("domain");
});

test.each(["", "GPU dashboards", "Grafik für alle", "x".repeat(80), "<script>alert(1)</script>"])("%j is a title", (title) => expect(titleProblem(title)).toBeNull());
test.each(["x".repeat(81), "a\u0007b", "a\u202eb", "a\u2028b"])("%j is no title", (title) => expect(titleProblem(title)).not.toBeNull());
