// Signing in through a provider of identities: the page leaves, comes back with what the provider says, and
// knows by the key it kept that it was this very tab that left.
import { ApiFailure } from "../api/client";
import type { OidcReturn } from "../api/types";
import { words } from "../strings";

/** Where the provider sends people back to; the daemon tells it the same. */
const CALLBACK = "/login/oidc";
/** Of this tab alone, and gone with it. */
const KEPT = "conduit.oidc";

export interface Came { back: OidcReturn | null; problem: ApiFailure | null }

/** Keeps what the way back needs, and leaves. */
export function leave(url: string, key: string) {
  sessionStorage.setItem(KEPT, JSON.stringify({ key, from: location.pathname + location.search }));
  location.assign(url);
}

/** What the provider sent this page back with; null when it did not. The address holds none of it afterwards. */
export function takeReturn(place: Location = location, storage: Storage = sessionStorage, show: (path: string) => void = (path) => history.replaceState(null, "", path)): Came | null {
  if (place.pathname !== CALLBACK) return null;
  const asked = new URLSearchParams(place.search);
  const kept = read(storage.getItem(KEPT));
  storage.removeItem(KEPT);
  show(kept?.from ?? "/");
  const [code, state, refusal] = [asked.get("code"), asked.get("state"), asked.get("error")];
  if (refusal !== null) return { back: null, problem: failed(words.login.providerSaid(refusal), asked.get("error_description")) };
  if (!kept || code === null || state === null) return { back: null, problem: failed(words.login.providerLost, words.login.providerLostHint) };
  const issuer = asked.get("iss");
  return { back: { code, state, key: kept.key, ...(issuer === null ? {} : { issuer }) }, problem: null };
}

const failed = (message: string, hint: string | null) => new ApiFailure(400, "provider", message, hint);

function read(text: string | null): { key: string; from: string } | null {
  try {
    const found: unknown = JSON.parse(text ?? "null");
    if (typeof found !== "object" || found === null || !("key" in found) || typeof found.key !== "string") return null;
    const from = "from" in found && typeof found.from === "string" && /^\/(?!\/)/.test(found.from) && found.from !== CALLBACK ? found.from : "/";
    return { key: found.key, from };
  } catch {
    return null;
  }
}
