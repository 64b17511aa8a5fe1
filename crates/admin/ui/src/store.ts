// What the page itself remembers: nothing of the daemon's truth.
import { create } from "zustand";
import { ApiFailure } from "./api/client";
import type { Session } from "./api/types";
import { may, type Permission } from "./lib/roles";
import { words } from "./strings";

export type Theme = "auto" | "light" | "dark";
export type Link = "connecting" | "live" | "waiting";
export interface Toast { id: number; tone: "ok" | "bad" | "info"; text: string; hint?: string | null; action?: { label: string; act: () => void } }
export type Sheet = { kind: "register" } | { kind: "edit"; name: string } | { kind: "palette" } | { kind: "help" } | { kind: "menu" } | { kind: "addNode" } | { kind: "password" } | { kind: "passkeys" } | { kind: "containerLog"; name: string };

/** Toasts that are shown at a time; older ones go. */
const TOASTS_MAX = 4;
/** How long one stays, in milliseconds; failures and those with something to do stay longer. */
const TOAST_MS = 5_000;
const TOAST_LONG_MS = 12_000;

interface App {
  session: Session | null;
  theme: Theme;
  link: Link;
  toasts: Toast[];
  sheet: Sheet | null;
  setSession: (session: Session | null) => void;
  setTheme: (theme: Theme) => void;
  setLink: (link: Link) => void;
  open: (sheet: Sheet) => void;
  close: () => void;
  dismiss: (id: number) => void;
}

let nextToast = 1;

export const useApp = create<App>((set) => ({
  session: null,
  theme: storedTheme(),
  link: "connecting",
  toasts: [],
  sheet: null,
  setSession: (session) => set({ session }),
  setTheme: (theme) => {
    applyTheme(theme);
    set({ theme });
  },
  setLink: (link) => set({ link }),
  open: (sheet) => set({ sheet }),
  close: () => set({ sheet: null }),
  dismiss: (id) => set((state) => ({ toasts: state.toasts.filter((toast) => toast.id !== id) })),
}));

export function toast(tone: Toast["tone"], text: string, more: Pick<Toast, "hint" | "action"> = {}) {
  const id = nextToast++;
  useApp.setState((state) => ({ toasts: [...state.toasts, { id, tone, text, ...more }].slice(-TOASTS_MAX) }));
  setTimeout(() => useApp.getState().dismiss(id), tone === "bad" || more.action ? TOAST_LONG_MS : TOAST_MS);
}

export function toastFailure(failure: unknown) {
  if (failure instanceof ApiFailure) toast("bad", failure.message, { hint: failure.hint });
  else toast("bad", words.failures.unknown);
}

/** Whether the present session may do that. */
export const useMay = (permission: Permission) => useApp((app) => may(app.session, permission));

const THEME_KEY = "conduit-theme";

function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(THEME_KEY);
    return stored === "light" || stored === "dark" ? stored : "auto";
  } catch {
    return "auto";
  }
}

export function applyTheme(theme: Theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // A browser without storage forgets it with the page.
  }
}
