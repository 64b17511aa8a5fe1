// One door to the daemon: every request, and every failure with its words.
import type { OidcDeparture, OidcReturn, Session, Ways } from "./types";

/** A refusal or a failure, as the API tells it. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, code: string, message: string, hint: string | null = null) {
    super(message);
    this.name = "ApiFailure";
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** Whether the same question may be answered a little later: the gateway begins, ends, or is too busy. */
  get mayPass(): boolean {
    return this.status === 429 || this.status === 503;
  }

  /** Whether nobody answered. */
  get isUnreachable(): boolean {
    return this.status === 0;
  }
}

type Method = "GET" | "POST" | "DELETE";
const ROOT = "/api/v1";
/** No answer is waited for longer than this, in milliseconds; bulk work has its own bound in the daemon. */
const REQUEST_TIMEOUT_MS = 60_000;

// Kept in memory only: whoever can read the page's storage must not find it.
let csrf = "";
let onSignedOut: () => void = () => {};

export function whenSignedOut(act: () => void) {
  onSignedOut = act;
}

/** For those who ask by themselves: a session that is over. */
export const signedOut = () => onSignedOut();

export const get = <T>(path: string, signal?: AbortSignal) => request<T>("GET", path, undefined, signal);
/** With a tag, a change is made only while its service still has it. */
export const post = <T>(path: string, body?: unknown, tag?: string) => request<T>("POST", path, body, undefined, false, tag);
export const remove = <T>(path: string) => request<T>("DELETE", path);

/** What a browser that comes back is told. */
export interface Present { session: Session | null; hasEnded: boolean }

/** The present session; none when nobody is signed in, or no more. */
export async function session(): Promise<Present> {
  try {
    return { session: remember(await request<Session>("GET", "/session", undefined, undefined, true)), hasEnded: false };
  } catch (failure) {
    if (failure instanceof ApiFailure && (failure.status === 401 || failure.status === 404)) return { session: null, hasEnded: failure.code === "session_over" };
    throw failure;
  }
}

export type Credentials = { token: string } | { user: string; password: string } | { code: string } | { passkey: unknown } | { oidc: OidcReturn };

export async function signIn(credentials: Credentials): Promise<Session> {
  return remember(await request<Session>("POST", "/session", credentials, undefined, true));
}

/** What a device is asked to sign in with a passkey. */
export async function passkeyOptions(): Promise<unknown> {
  return (await request<{ options: unknown }>("POST", "/session/passkey", undefined, undefined, true)).options;
}

/** Which ways in there are beside those that always are. */
export const ways = (signal?: AbortSignal) => request<Ways>("GET", "/session/ways", undefined, signal, true);

/** Where the provider of identities is, and what to keep until the page is back. */
export const departure = () => request<OidcDeparture>("POST", "/session/oidc", undefined, undefined, true);

export async function signOut(): Promise<void> {
  await request("DELETE", "/session", undefined, undefined, true);
  csrf = "";
}

function remember(found: Session): Session {
  csrf = found.csrf;
  return found;
}

async function request<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal, isSession = false, tag?: string): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrf) headers["x-conduit-csrf"] = csrf;
  if (tag !== undefined) headers["if-match"] = tag;
  const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(ROOT + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiFailure(0, "unreachable", "The gateway does not answer.", "Check that it runs (conduit status) and that this machine reaches it; this page tries again by itself.");
  }
  if (response.ok) return (await response.json().catch(() => ({}))) as T;
  const failure = await failureOf(response);
  if (failure.status === 401 && !isSession) onSignedOut();
  throw failure;
}

/** The failure that an answer tells; also one that is not ours, such as a proxy's. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const body: unknown = await response.json().catch(() => null);
  const told = typeof body === "object" && body !== null && "error" in body ? (body as { error: unknown }).error : null;
  if (typeof told === "object" && told !== null && "message" in told) {
    const { code, message, hint } = told as { code?: string; message: string; hint?: string | null };
    return new ApiFailure(response.status, code ?? "failed", message, hint ?? null);
  }
  return new ApiFailure(response.status, "failed", `The gateway answered ${response.status} without saying why.`);
}

/** A part of a path, made safe. */
export const part = (text: string) => encodeURIComponent(text);
