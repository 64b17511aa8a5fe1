// What stands around every view.
import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { listen } from "../api/live";
import { bringAll, later } from "../lib/code";
import { commandOf } from "../lib/keys";
import { IconButton, Skeleton } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { Mark } from "../parts/Icon";
import { useApp } from "../store";
import { words } from "../strings";
import { Help } from "./Help";
import { Palette } from "./Palette";
import { Sidebar } from "./Sidebar";
import { StatusBar } from "./StatusBar";

const ContainerLog = lazy(later(() => import("../views/ContainerLog")));
const EditService = lazy(later(() => import("../views/EditService")));
const Passkeys = lazy(later(() => import("../views/Passkeys")));
const Password = lazy(later(() => import("../views/Password")));
const ServicePanel = lazy(later(() => import("../views/ServicePanel")));
const AddNode = lazy(later(() => import("../views/AddNode")));

/** The view that was asked for comes first; then the code of the others. */
const IDLE_MS = 1_000;

export function Shell() {
  useKeys();
  useEffect(listen, []);
  useEffect(() => {
    const timer = setTimeout(() => void bringAll(), IDLE_MS);
    return () => clearTimeout(timer);
  }, []);
  const open = useApp((app) => app.open);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => {
    // No result: browsers are about to give a promise here, which React would call as the end of the effect.
    document.getElementById("content")?.scrollTo(0, 0);
  }, [path]);
  return (
    <div className="grid h-dvh grid-cols-[minmax(0,1fr)] grid-rows-[auto_minmax(0,1fr)_auto] lg:grid-cols-[13.5rem_minmax(0,1fr)] lg:grid-rows-[minmax(0,1fr)_auto]">
      <a href="#content" className="skip">{words.skip}</a>
      <div className="hidden border-r border-s4 bg-s1 lg:block"><Sidebar /></div>
      <header className="flex h-12 items-center gap-2 border-b border-s4 bg-s1 px-2 lg:hidden">
        <IconButton icon="menu" label={words.nav.menu} onClick={() => open({ kind: "menu" })} />
        <Mark className="size-5" /><span className="font-semibold">{words.product}</span>
        <IconButton icon="search" label={words.palette.title} className="ml-auto" onClick={() => open({ kind: "palette" })} />
      </header>
      <main id="content" tabIndex={-1} className="min-w-0 overflow-y-auto outline-none">
        <Suspense fallback={<Skeleton className="p-6" />}><Outlet /></Suspense>
      </main>
      <div className="lg:col-span-2"><StatusBar /></div>
      <Sheets />
    </div>
  );
}

function Sheets() {
  const sheet = useApp((app) => app.sheet);
  const close = useApp((app) => app.close);
  if (!sheet) return null;
  switch (sheet.kind) {
    case "palette": return <Palette />;
    case "help": return <Help />;
    case "menu": return <Dialog title={words.nav.label} kind="modal" onClose={close} hideTitle><Sidebar onGo={close} /></Dialog>;
    case "register": return <Suspense><ServicePanel onClose={close} /></Suspense>;
    case "edit": return <Suspense><EditService name={sheet.name} onClose={close} /></Suspense>;
    case "addNode": return <Suspense><AddNode onClose={close} /></Suspense>;
    case "passkeys": return <Suspense><Passkeys onClose={close} /></Suspense>;
    case "password": return <Suspense><Password onClose={close} /></Suspense>;
    case "containerLog": return <Suspense><ContainerLog name={sheet.name} onClose={close} /></Suspense>;
  }
}

/** A view's head: what it is, how much of it there is, and what can be done. */
export function Page({ title, note, actions, children, wide }: { title: ReactNode; note?: ReactNode; actions?: ReactNode; children: ReactNode; wide?: boolean }) {
  useEffect(() => {
    document.title = typeof title === "string" ? `${title} · ${words.product}` : words.product;
  }, [title]);
  return (
    <div className={`mx-auto flex min-h-full flex-col gap-4 px-4 py-4 sm:px-6 sm:py-5 ${wide ? "max-w-none" : "max-w-[110rem]"}`}>
      <header className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-2">
        <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
        {note && <span className="text-t3">{note}</span>}
        {actions && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

function useKeys() {
  const navigate = useNavigate();
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target instanceof HTMLElement ? event.target : null;
      const isTyping = target !== null && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
      const command = commandOf(event, isTyping);
      const { sheet, open } = useApp.getState();
      const isOpen = sheet !== null || document.querySelector("dialog[open]") !== null;
      if (command === null || event.defaultPrevented || event.isComposing || (isOpen && command !== "palette")) return;
      if (command === "escape") return target?.blur();
      event.preventDefault();
      if (command === "palette") return open({ kind: "palette" });
      if (command === "help") return open({ kind: "help" });
      if (command === "search") {
        const field = document.querySelector<HTMLInputElement>("[data-search]");
        return field ? field.focus() : open({ kind: "palette" });
      }
      void navigate({ to: command.go });
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [navigate]);
}
