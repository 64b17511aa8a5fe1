// Go anywhere or do something, by typing.
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useMemo, useRef, useState } from "react";
import { DOCTOR_ID, lookNow, nodesQuery, servicesQuery } from "../api/queries";
import { matches, titleOf } from "../lib/filter";
import { Dot, toneOf } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { Icon, type IconName } from "../parts/Icon";
import { useMay, useApp } from "../store";
import { words } from "../strings";
import { VIEWS } from "./nav";

interface Choice { id: string; label: string; note: string; kind: string; icon: IconName; state?: string; act: () => void }

/** Choices that are shown at a time. */
const SHOWN_MAX = 12;

export function Palette() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const id = useId();
  const close = useApp((app) => app.close);
  const choices = useChoices();
  const found = useMemo(() => choices.filter((choice) => matches(text, choice.label, choice.note, choice.kind)).slice(0, SHOWN_MAX), [choices, text]);
  const take = (choice: Choice | undefined) => {
    if (!choice) return;
    close();
    choice.act();
  };
  const move = (step: number) => {
    const next = found.length === 0 ? 0 : (at + step + found.length) % found.length;
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Dialog title={words.palette.title} hideTitle onClose={close}>
      <div className="flex items-center gap-2 border-b border-s4 px-4">
        <Icon name="search" className="size-4 text-t3" />
        <input data-autofocus role="combobox" aria-expanded="true" aria-controls={`${id}-list`} aria-activedescendant={found[at] ? `${id}-${at}` : undefined} aria-label={words.palette.field} placeholder={words.palette.field}
          value={text} spellCheck={false} autoComplete="off" className="h-12 w-full bg-transparent text-base outline-none placeholder:text-t3"
          onChange={(event) => { setText(event.target.value); setAt(0); }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") move(1);
            else if (event.key === "ArrowUp") move(-1);
            else if (event.key === "Enter") take(found[at]);
            else return;
            event.preventDefault();
          }} />
      </div>
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={words.palette.title} className="max-h-[60vh] overflow-y-auto p-1.5">
        {found.map((choice, index) => (
          <li key={choice.id} id={`${id}-${index}`} role="option" aria-selected={index === at} onPointerMove={() => setAt(index)} onClick={() => take(choice)}
            className={`flex h-9 cursor-pointer items-center gap-3 rounded-md px-2.5 ${index === at ? "bg-accent-soft" : ""}`}>
            <Icon name={choice.icon} className="size-4 text-t3" />
            <span className="truncate">{choice.label}</span>
            <span className="truncate text-xs text-t3">{choice.note}</span>
            <span className="ml-auto flex items-center gap-2 text-xs text-t3">{choice.state && <Dot tone={toneOf(choice.state)} label={choice.state} />}{choice.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="px-4 pb-4 text-t2" role="status">{words.palette.nothing}</p>}
    </Dialog>
  );
}

function useChoices(): Choice[] {
  const navigate = useNavigate();
  const { data: services } = useQuery(servicesQuery);
  const { data: nodes } = useQuery(nodesQuery);
  const isOperator = useMay("change");
  const { open, setTheme, theme } = useApp.getState();
  return useMemo(() => {
    const { palette } = words;
    const choices: Choice[] = [];
    if (isOperator) {
      choices.push({ id: "register", label: palette.register, note: "", kind: palette.action, icon: "plus", act: () => open({ kind: "register" }) });
    }
    for (const view of VIEWS) choices.push({ id: view.path, label: view.label, note: view.key, kind: palette.view, icon: view.icon, act: () => void navigate({ to: view.path }) });
    for (const service of services?.services ?? []) {
      choices.push({ id: `service ${service.name}`, label: titleOf(service), note: service.title ? `${service.name}, ${service.domain}` : service.domain, kind: palette.service, icon: "services", state: service.health_status, act: () => void navigate({ to: "/services/$name", params: { name: service.name } }) });
    }
    for (const node of nodes?.nodes ?? []) {
      choices.push({ id: `node ${node.name}`, label: node.name, note: node.address ?? words.servers.local, kind: palette.node, icon: "servers", state: node.state, act: () => void navigate({ to: "/servers/$name", params: { name: node.name } }) });
    }
    if (isOperator) {
      choices.push({ id: "addNode", label: palette.addNode, note: "", kind: palette.action, icon: "plus", act: () => { void navigate({ to: "/servers" }); open({ kind: "addNode" }); } });
    }
    choices.push({ id: "doctor", label: palette.doctor, note: "", kind: palette.action, icon: "help", act: () => { void navigate({ to: "/settings", hash: DOCTOR_ID }); void lookNow(); } });
    choices.push({ id: "theme", label: palette.theme, note: theme, kind: palette.action, icon: "auto", act: () => setTheme(theme === "auto" ? "light" : theme === "light" ? "dark" : "auto") });
    return choices;
  }, [services, nodes, isOperator, navigate, open, setTheme, theme]);
}
