import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { servicesQuery } from "../api/queries";
import type { HealthStatus, Service } from "../api/types";
import { servicesFor, titleOf } from "../lib/filter";
import { millis } from "../lib/format";
import { Ago, Badge, Button, Dot, Empty, pendingPart, SearchField, Segments, State, toneOf } from "../parts/basics";
import { Deregister } from "../parts/Deregister";
import { Icon } from "../parts/Icon";
import { Menu } from "../parts/Menu";
import { type Column, Rows } from "../parts/Rows";
import type { ServicesSearch } from "../router";
import { Page } from "../shell/Shell";
import { useMay, useApp } from "../store";
import { words } from "../strings";

const say = words.services;
/** Cards that are drawn; with more services than this the table, which draws only what is seen, takes over. */
const CARDS_MAX = 200;

export default function Services() {
  const query = useQuery(servicesQuery);
  const search = useSearch({ from: "/services" });
  const navigate = useNavigate();
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  const [leaving, setLeaving] = useState<Service | null>(null);
  const set = (change: Partial<Record<keyof ServicesSearch, string | undefined>>) => void navigate({ to: "/services", search: { ...search, ...change } as ServicesSearch, replace: true });

  const all = useMemo(() => query.data?.services.filter((service) => service.status === "active") ?? [], [query.data]);
  const found = useMemo(() => servicesFor(all, search.q ?? "", search.state ?? "all", search.sort), [all, search.q, search.state, search.sort]);
  const counts = useMemo(() => {
    const counts: Record<HealthStatus, number> = { healthy: 0, degraded: 0, down: 0, unknown: 0 };
    for (const service of all) counts[service.health_status] += 1;
    return counts;
  }, [all]);
  const isTable = search.view === "table" || found.length > CARDS_MAX;

  return (
    <Page title={words.views.services} note={query.data && say.count(all.length)}
      actions={isOperator && <Button look="primary" icon="plus" onClick={() => open({ kind: "register" })}>{say.register}</Button>}>
      {query.data && all.length > 0 && (
        <div className="flex flex-wrap items-center gap-2">
          <SearchField label={say.search} value={search.q ?? ""} onChange={(q) => set({ q: q || undefined })} />
          <Segments label={say.filter} value={search.state ?? "all"} onChange={(state) => set({ state: state === "all" ? undefined : state })}
            options={[{ value: "all", label: <>{words.all} <span className="text-t3">{all.length}</span></> }, ...(["healthy", "degraded", "down", "unknown"] as const).filter((state) => counts[state] > 0 || search.state === state).map((state) => ({ value: state, label: <><Dot tone={toneOf(state)} />{words.dashboard.counts[state]} <span className="text-t3">{counts[state]}</span></> }))]} />
          <div className="ml-auto">
            <Segments label={say.view} value={isTable ? "table" : "cards"} onChange={(view) => set({ view: view === "table" ? "table" : undefined })}
              options={[{ value: "cards", label: <Icon name="cards" />, hint: say.cards }, { value: "table", label: <Icon name="table" />, hint: say.table }]} />
          </div>
        </div>
      )}
      {pendingPart(query, 8) ?? (all.length === 0 ? (
        <div className="card"><Empty icon="services" title={say.empty} text={say.emptyText}>{isOperator && <Button look="primary" icon="plus" onClick={() => open({ kind: "register" })}>{words.register.title}</Button>}</Empty></div>
      ) : found.length === 0 ? (
        <div className="card"><Empty icon="search" title={say.nothing} text={say.nothingText}><Button onClick={() => set({ q: undefined, state: undefined })}>{say.clear}</Button></Empty></div>
      ) : isTable ? (
        <div className="card overflow-hidden"><Table services={found} actions={(service) => <Actions service={service} onLeave={setLeaving} />} sort={search.sort} onSort={(sort) => set({ sort })} /></div>
      ) : (
        <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(20rem,100%),1fr))] gap-3">
          {found.map((service) => <li key={service.name} className="min-w-0"><ServiceCard service={service} actions={<Actions service={service} onLeave={setLeaving} />} /></li>)}
        </ul>
      ))}
      {leaving && <Deregister service={leaving} onClose={() => setLeaving(null)} />}
    </Page>
  );
}

function Actions({ service, onLeave }: { service: Service; onLeave: (service: Service) => void }) {
  const navigate = useNavigate();
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  const { url } = service;
  return (
    <Menu label={`${say.actions}: ${service.name}`} items={[
      { label: say.details, icon: "search", act: () => void navigate({ to: "/services/$name", params: { name: service.name } }) },
      ...(url?.startsWith("http") ? [{ label: say.open, icon: "open" as const, act: () => void window.open(url, "_blank", "noopener,noreferrer") }] : []),
      ...(isOperator ? ["line" as const, { label: say.edit, icon: "settings" as const, act: () => open({ kind: "edit", name: service.name }) }, { label: say.deregister, icon: "close" as const, danger: true, act: () => onLeave(service) }] : []),
    ]} />
  );
}

const admitted = (service: Service) => service.upstream_health.filter((upstream) => upstream.state === "admitted" || upstream.state === "unproven").length;

function ServiceCard({ service, actions }: { service: Service; actions: React.ReactNode }) {
  const isIll = service.health_status === "down" || service.health_status === "degraded";
  return (
    <article className="card relative flex h-full flex-col p-4 hover:border-s5/70">
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="truncate text-base leading-6 font-semibold"><Link to="/services/$name" params={{ name: service.name }} className="after:absolute after:inset-0">{titleOf(service)}</Link></h2>
          {service.title && <p className="truncate text-xs text-t3">{service.name}</p>}
          <Address service={service} />
        </div>
        <div className="relative z-10 -mt-1 -mr-2">{actions}</div>
      </div>
      <dl className="mt-3 flex flex-col gap-1 text-xs">
        <div className="flex gap-2"><dt className="w-16 shrink-0 text-t3">{words.register.upstream}</dt><dd className="min-w-0 truncate font-mono">{service.upstream}{service.upstreams.length > 1 && <span className="font-sans text-t3"> +{service.upstreams.length - 1}</span>}</dd></div>
        {isIll && <div className="flex gap-2"><dt className="sr-only">{words.servers.comment}</dt><dd className={`line-clamp-2 ${service.health_status === "down" ? "text-bad" : "text-warn"}`}>{service.health_reason}</dd></div>}
      </dl>
      <div className="mt-auto flex items-center gap-2 pt-3">
        <State state={service.health_status} />
        {service.upstreams.length > 1 && <span className="text-xs text-t3">{say.of(admitted(service), service.upstreams.length)}</span>}
        <span className="ml-auto text-xs text-t2">{service.response_time_ms != null ? millis(service.response_time_ms) : ""}</span>
        {!service.tls && <Badge>{say.plain}</Badge>}
      </div>
    </article>
  );
}

function Address({ service }: { service: Service }) {
  const shown = service.url?.replace(/^https?:\/\//, "") ?? service.domain;
  if (!service.url?.startsWith("http")) return <p className="truncate text-t2">{shown}</p>;
  return <a href={service.url} target="_blank" rel="noopener noreferrer" className="relative z-10 inline-block max-w-full truncate align-top text-t2 hover:text-accent hover:underline">{shown}</a>;
}

function Table({ services, actions, sort, onSort }: { services: Service[]; actions: (service: Service) => React.ReactNode; sort: ServicesSearch["sort"]; onSort: (sort: ServicesSearch["sort"]) => void }) {
  const sorter = (key: ServicesSearch["sort"], label: string) => (
    <button type="button" aria-pressed={sort === key} onClick={() => onSort(key)} className={`inline-flex items-center gap-1 hover:text-t1 ${sort === key ? "text-t1" : ""}`}>{label}{sort === key && <Icon name="chevron" className="size-3 rotate-90" />}</button>
  );
  const columns: Column<Service>[] = [
    { key: "state", label: sorter(undefined, say.state), width: "7.5rem", cell: (service) => <State state={service.health_status} title={service.health_reason ?? undefined} /> },
    { key: "service", label: sorter("name", say.service), width: 1.3, cell: (service) => <div className="min-w-0"><Link to="/services/$name" params={{ name: service.name }} className="block truncate leading-tight font-medium hover:underline">{titleOf(service)}</Link>{service.title && <span className="block truncate text-xs leading-tight text-t3">{service.name}</span>}</div> },
    { key: "host", label: words.service.host, width: 1.5, hide: "md", cell: (service) => <Address service={service} /> },
    { key: "upstreams", label: say.upstreams, width: 1.5, hide: "lg", cell: (service) => <span className="block truncate font-mono text-xs">{service.upstreams.join(", ")}</span> },
    { key: "response", label: sorter("time", say.response), width: "6rem", end: true, hide: "sm", cell: (service) => millis(service.response_time_ms) },
    { key: "probe", label: say.probe, width: "7rem", end: true, hide: "xl", cell: (service) => <Ago at={service.last_health_check} className="text-t3" /> },
    { key: "actions", label: <span className="sr-only">{say.actions}</span>, width: "3.5rem", end: true, cell: actions },
  ];
  return <Rows label={words.views.services} items={services} columns={columns} keyOf={(service) => service.name} />;
}
