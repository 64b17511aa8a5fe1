import { describe, expect, it } from "vitest";
import { takeReturn } from "./oidc";

function come(path: string, search: string, kept: string | null) {
  const shown: string[] = [];
  const all = new Map(kept === null ? [] : [["conduit.oidc", kept]]);
  const storage = { getItem: (key: string) => all.get(key) ?? null, removeItem: (key: string) => void all.delete(key) } as Storage;
  // The address is what it was replaced with, as the browser's.
  const place = { pathname: path, search } as { pathname: string; search: string };
  const came = takeReturn(place as Location, storage, (next) => void (shown.push(next), (place.search = "")));
  return { came, shown, left: all.size };
}

const KEPT = JSON.stringify({ key: "k", from: "/services?q=a" });

describe("coming back from the provider", () => {
  it("brings what it says and what this tab kept, and clears the address", () => {
    const { came, shown, left } = come("/login/oidc", "?code=c&state=s&iss=https%3A%2F%2Flogin.example", KEPT);
    expect(came).toEqual({ back: { code: "c", state: "s", key: "k", issuer: "https://login.example" }, problem: null });
    expect(shown).toEqual(["/services?q=a"]);
    expect(left).toBe(0);
  });

  it("says what the provider refused", () => {
    const { came } = come("/login/oidc", "?error=access_denied&error_description=No&state=s", KEPT);
    expect(came?.back).toBeNull();
    expect(came?.problem).toMatchObject({ hint: "No", message: expect.stringContaining("access_denied") });
  });

  it("refuses what this tab did not begin, or cannot read", () => {
    for (const kept of [null, "", "{", "7", "{}", '{"key":7}']) {
      expect(come("/login/oidc", "?code=c&state=s", kept).came?.back, String(kept)).toBeNull();
    }
    expect(come("/login/oidc", "?code=c", KEPT).came?.problem).not.toBeNull();
  });

  it("goes nowhere else than this site, and has nothing to do on other pages", () => {
    for (const from of ["//evil.example", "https://evil.example", "/login/oidc", 7]) {
      expect(come("/login/oidc", "?code=c&state=s", JSON.stringify({ key: "k", from })).shown).toEqual(["/"]);
    }
    expect(come("/services", "?code=c&state=s", KEPT)).toEqual({ came: null, shown: [], left: 1 });
  });
});
