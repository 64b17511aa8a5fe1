import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { routesQuery, statusQuery } from "../api/queries";
import type { Route, UpstreamHealth } from "../api/types";
import { matches } from "../lib/filter";
import { millis, perSecond } from "../lib/format";
import { latest } from "../lib/traffic";
import { Badge, Card, Dot, Empty, pendingPart, SearchField, State, toneOf } from "../parts/basics";
import { Icon, type IconName } from "../parts/Icon";
import { Rows, type Column } from "../parts/Rows";
import { UpstreamActions } from "../parts/UpstreamTable";
import { Page } from "../shell/Shell";
import { words } from "../strings";
import { useTraffic } from "../traffic";

const say = words.routing;

interface Line { route: Route; upstream: UpstreamHealth; isFirst: boolean }

export default function Routing() {
  const query = useQuery(routesQuery);
  const { data: status } = useQuery(statusQuery);
  const [text, setText] = useState("");
  const routes = query.data?.routes;
  const lines = useMemo(() => routes?.filter((route) => matches(text, route.name, route.domain, ...route.upstreams.map((upstream) => upstream.upstream)))
    .flatMap((route) => route.upstreams.map((upstream, index): Line => ({ route, upstream, isFirst: index === 0 }))) ?? [], [routes, text]);
  return (
    <Page title={words.views.routing} note={query.data && say.version(query.data.version)}>
      {routes && status && <Flow routes={routes} listens={[...status.listen.https, ...status.listen.http]} dns={status.listen.dns} />}
      {pendingPart(query, 8) ?? (
        <>
          <div className="flex"><SearchField label={say.search} value={text} onChange={setText} /></div>
          <div className="card overflow-hidden">
            {routes?.length === 0 ? <Empty icon="routing" title={say.empty} text={say.emptyText} /> : lines.length === 0 ? <Empty icon="search" title={say.nothing} text={words.services.nothingText} /> : (
              <Rows label={say.table} items={lines} columns={COLUMNS} keyOf={(line) => `${line.route.domain} ${line.upstream.upstream}`} />
            )}
          </div>
        </>
      )}
    </Page>
  );
}

const COLUMNS: Column<Line>[] = [
  { key: "host", label: say.host, width: 1.5, cell: ({ route, upstream, isFirst }) => <span className="block min-w-0">{isFirst && <span className="flex min-w-0 items-center gap-2"><Dot tone={toneOf(route.health_status)} label={route.health_status} /><span className="truncate font-medium">{route.domain}</span>{!route.tls && <Badge>{say.clear}</Badge>}</span>}<span className="block truncate pl-4 font-mono text-xs text-t3 sm:hidden">{upstream.upstream}</span></span> },
  { key: "service", label: say.service, width: 1, hide: "md", cell: ({ route, isFirst }) => isFirst && (route.name === "conduit" ? <span className="text-t3">{say.own}</span> : <Link to="/services/$name" params={{ name: route.name }} className="block truncate text-t2 hover:underline">{route.name}</Link>) },
  { key: "upstream", label: say.upstream, width: 1.4, hide: "sm", cell: ({ upstream }) => <span className="flex items-center gap-2"><Icon name="chevron" className="size-3 text-t3" /><span className="truncate font-mono text-xs">{upstream.upstream}</span></span> },
  { key: "state", label: say.state, width: "7rem", cell: ({ upstream }) => <State state={upstream.state} title={upstream.reason ?? undefined} /> },
  { key: "response", label: say.response, width: "6rem", end: true, hide: "sm", cell: ({ upstream }) => millis(upstream.response_time_ms) },
  { key: "requests", label: say.requests, width: "6.5rem", end: true, hide: "md", cell: ({ route, isFirst }) => isFirst && <Rate service={route.name} /> },
  { key: "inFlight", label: say.inFlight, width: "5.5rem", end: true, hide: "lg", cell: ({ upstream }) => upstream.in_flight },
  { key: "actions", label: <span className="sr-only">{words.services.actions}</span>, width: "9rem", end: true, hide: "sm", cell: ({ route, upstream }) => route.name !== "conduit" && <UpstreamActions service={route.name} upstream={upstream} /> },
];

function Rate({ service }: { service: string }) {
  const rates = useTraffic((flow) => latest(flow.services[service]));
  return <span className={rates.requests === 0 ? "text-t3" : undefined}>{perSecond(rates.requests)}</span>;
}

/** The way of a request, with how much of each there is. */
function Flow({ routes, listens, dns }: { routes: Route[]; listens: string[]; dns: string[] }) {
  const upstreams = new Map(routes.flatMap((route) => route.upstreams.map((upstream) => [`${route.name} ${upstream.upstream}`, upstream.state])));
  const admitted = [...upstreams.values()].filter((state) => state === "admitted" || state === "unproven").length;
  const steps: [IconName, string, string, string][] = [
    ["user", say.clients, say.resolves, dns.join(", ") || words.status.off],
    ["dns", words.status.dns, say.names(routes.length), ""],
    ["routing", say.listeners, listens[0] ?? words.status.off, listens.slice(1).join(", ")],
    ["services", words.views.services, say.services(new Set(routes.map((route) => route.name)).size), ""],
    ["servers", words.service.upstreams, say.upstreams(admitted, upstreams.size), ""],
  ];
  return (
    <Card>
      <ol aria-label={say.flow} className="flex flex-col gap-3 md:flex-row md:items-center">
        {steps.map(([icon, title, note, more], index) => (
          <li key={title} className={`flex min-w-0 items-center gap-3 ${index > 0 ? "flex-1" : ""}`}>
            {index > 0 && <span aria-hidden="true" className="hidden h-px min-w-4 flex-1 bg-s5/60 md:block" />}
            <span className="flex size-9 shrink-0 items-center justify-center rounded-md border border-s4 bg-s2 text-t2"><Icon name={icon} /></span>
            <span className="min-w-0 leading-tight"><span className="block font-medium">{title}</span><span className="block truncate text-xs text-t3" title={`${note} ${more}`}>{note}</span></span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
