import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { auditTailQuery, nodesQuery, servicesQuery, statusQuery } from "../api/queries";
import { Spark } from "../charts/Traffic";
import type { Alert, Engine, GatewayStatus, HealthCounts, MachineNode, NodeList, Service } from "../api/types";
import { servicesFor, titleOf } from "../lib/filter";
import { duration, millis, percent, perSecond } from "../lib/format";
import { latest } from "../lib/traffic";
import { Ago, Badge, Button, Card, Dot, Empty, Meter, pendingPart, Skeleton, Snippet, State, toneOf } from "../parts/basics";
import { coloursOf, GpuCard } from "../parts/GpuCard";
import { Icon } from "../parts/Icon";
import { Page } from "../shell/Shell";
import { useMay, useApp } from "../store";
import { words } from "../strings";
import { useTraffic } from "../traffic";

const say = words.dashboard;
/** Tiles of services and lines of attention that the overview shows; the views have the rest. */
const TILES_MAX = 48;
const ATTENTION_MAX = 8;
const ENTRIES = 9;

export default function Dashboard() {
  const status = useQuery(statusQuery);
  const isEmpty = status.data?.services.total === 0;
  const services = useQuery({ ...servicesQuery, enabled: !isEmpty });
  const nodes = useQuery(nodesQuery);
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  return (
    <Page title={words.views.dashboard} note={status.data && say.version(status.data.version, status.data.generation)}
      actions={isOperator && <Button look="primary" icon="plus" onClick={() => open({ kind: "register" })}>{words.services.register}</Button>}>
      {status.data ? <Summary status={status.data} nodes={nodes.data} /> : <div className="card">{pendingPart(status, 2)}</div>}
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          {isEmpty && status.data ? <Blank status={status.data} /> : (
            <>
              <Attention services={services.data?.services} alerts={nodes.data?.alerts} />
              <Tiles services={services.data?.services} />
            </>
          )}
          {nodes.data && <Gpus nodes={nodes.data.nodes} />}
          {nodes.data && nodes.data.engines.length > 0 && <Engines engines={nodes.data.engines} />}
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Machines nodes={nodes.data} error={nodes.error} />
          <Tail />
        </div>
      </div>
    </Page>
  );
}

function Summary({ status, nodes }: { status: GatewayStatus; nodes: NodeList | undefined }) {
  const { services, certs } = status;
  const loud = nodes?.alerts.filter((alert) => !alert.silenced) ?? [];
  const due = certs.expiring + certs.expired;
  const worst = loud.some((alert) => alert.severity === "critical") ? "bad" : loud.length > 0 ? "warn" : undefined;
  return (
    <dl className="card grid grid-cols-2 overflow-hidden md:grid-cols-3 lg:grid-cols-[1.5fr_1fr_1fr_1fr_1fr_1fr]">
      <Figure wide to="/services" label={say.healthy} value={<>{services.healthy}<span className="text-t3"> / {services.total}</span></>}><Spread counts={services} /></Figure>
      <Requests />
      <Figure to="/servers" label={say.alerts} value={loud.length} tone={worst}>{loud.length === 0 ? say.noAlerts : loud[0]?.rule}</Figure>
      <Figure to="/tls" label={say.leaves} value={certs.valid} tone={certs.expired > 0 ? "bad" : due > 0 ? "warn" : undefined}>{due > 0 ? say.expiring(due) : say.allGood}</Figure>
      <Figure to="/servers" label={say.nodes} value={nodes ? <>{nodes.nodes.filter((node) => node.state === "up").length}<span className="text-t3"> / {nodes.nodes.length}</span></> : "–"}>{nodes?.nodes.map((node) => node.name).slice(0, 3).join(", ")}</Figure>
      <Figure to="/settings" label={say.uptime} value={duration(status.uptime_seconds)}>{status.listen.admin[0]}</Figure>
    </dl>
  );
}

function Requests() {
  const rates = useTraffic((flow) => latest(flow.total));
  return <Figure to="/routing" label={say.requests} tone={rates.errors > 0 ? "warn" : undefined} value={perSecond(rates.requests)}><Spark /></Figure>;
}

function Figure({ to, label, value, tone, wide, children }: { wide?: boolean; to: "/services" | "/servers" | "/tls" | "/settings" | "/routing"; label: string; value: ReactNode; tone?: "warn" | "bad" | undefined; children?: ReactNode }) {
  const colour = tone === "bad" ? "text-bad" : tone === "warn" ? "text-warn" : "";
  return (
    <div className={`relative -mt-px -ml-px min-w-0 border-t border-l border-s4 px-4 py-3 hover:bg-s2 ${wide ? "max-lg:col-span-2" : ""}`}>
      <dt className="text-xs text-t3"><Link to={to} className="after:absolute after:inset-0">{label}</Link></dt>
      <dd className={`mt-0.5 text-2xl font-semibold tracking-tight ${colour}`}>{value}</dd>
      <dd className="mt-0.5 min-h-4 truncate text-xs text-t3">{children}</dd>
    </div>
  );
}

/** How the services are, as one bar. */
function Spread({ counts }: { counts: HealthCounts }) {
  const kinds = (["healthy", "degraded", "down", "unknown"] as const).filter((kind) => counts[kind] > 0);
  const fill = { healthy: "bg-ok-fill", degraded: "bg-warn-fill", down: "bg-bad-fill", unknown: "bg-s5" };
  return (
    <span className="flex items-center gap-3">
      <span className="flex h-1.5 max-w-40 flex-1 gap-0.5 overflow-hidden rounded-full bg-s3" aria-hidden="true">
        {kinds.map((kind) => <span key={kind} className={fill[kind]} style={{ flexGrow: counts[kind] }} />)}
      </span>
      <span className="truncate">{kinds.filter((kind) => kind !== "healthy").map((kind) => `${counts[kind]} ${say.counts[kind]}`).join(", ")}</span>
    </span>
  );
}

function Attention({ services, alerts }: { services: Service[] | undefined; alerts: Alert[] | undefined }) {
  if (!services) return <Card title={say.attention}><Skeleton rows={2} /></Card>;
  const ill = servicesFor(services, "", "all").filter((service) => service.health_status === "down" || service.health_status === "degraded");
  const loud = alerts?.filter((alert) => !alert.silenced) ?? [];
  if (ill.length + loud.length === 0) {
    return (
      <div className="card flex items-center gap-3 px-4 py-3">
        <Icon name="ok" className="size-5 text-ok" />
        <p><span className="font-medium">{say.calm}</span> <span className="text-t2">{say.calmText}</span></p>
      </div>
    );
  }
  return (
    <Card title={say.attention} bare>
      <ul className="mt-1">
        {loud.slice(0, ATTENTION_MAX).map((alert) => (
          <li key={`${alert.rule} ${alert.node} ${alert.subject}`} className="row-line">
            <Link to="/servers" search={{ tab: "alerts" }} className="flex min-h-11 items-center gap-3 px-4 py-1.5 hover:bg-s2">
              <span className="w-20 shrink-0"><State state={alert.severity} /></span>
              <span className="line-clamp-2 min-w-0 flex-1">{alert.message}</span>
              <Ago at={alert.raised_at} className="shrink-0 text-xs text-t3" />
            </Link>
          </li>
        ))}
        {ill.slice(0, ATTENTION_MAX).map((service) => (
          <li key={service.name} className="row-line">
            <Link to="/services/$name" params={{ name: service.name }} className="flex min-h-11 items-center gap-3 px-4 py-1.5 hover:bg-s2">
              <span className="w-20 shrink-0"><State state={service.health_status} /></span>
              <span className="min-w-0 flex-1 sm:flex sm:gap-3">
                <span className="block truncate font-medium sm:w-40 sm:shrink-0">{titleOf(service)}</span>
                <span className="block min-w-0 truncate text-t2">{service.health_reason}</span>
              </span>
              <Ago at={service.last_health_check} className="hidden shrink-0 text-xs text-t3 sm:block" />
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Tiles({ services }: { services: Service[] | undefined }) {
  if (!services) return <Card title={say.services}><Skeleton rows={5} /></Card>;
  const shown = servicesFor(services, "", "all").slice(0, TILES_MAX);
  return (
    <Card title={say.services} aside={<More to="/services">{say.servicesAll}</More>}>
      <ul className="grid grid-cols-[repeat(auto-fill,minmax(13rem,1fr))] gap-2">
        {shown.map((service) => (
          <li key={service.name} className="min-w-0">
            <Link to="/services/$name" params={{ name: service.name }} className="flex h-12 items-center gap-2.5 rounded-md border border-s4 px-3 hover:border-s5/70 hover:bg-s2">
              <Dot tone={toneOf(service.health_status)} label={service.health_status} />
              <span className="min-w-0 flex-1 leading-tight">
                <span className="block truncate font-medium">{titleOf(service)}</span>
                <span className="block truncate text-xs text-t3">{service.health_status === "healthy" ? service.domain : (service.health_reason ?? service.health_status)}</span>
              </span>
              <span className="text-xs text-t3">{service.response_time_ms != null && millis(service.response_time_ms)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function More({ to, children }: { to: "/services" | "/audit" | "/servers"; children: ReactNode }) {
  return <Link to={to} className="flex items-center gap-0.5 text-xs text-t3 hover:text-t1">{children}<Icon name="chevron" className="size-3.5" /></Link>;
}

function Machines({ nodes, error }: { nodes: NodeList | undefined; error: unknown }) {
  return (
    <Card title={say.machines} aside={<More to="/servers">{say.alertsAll}</More>} bare>
      {!nodes ? <div className="p-4">{error ? <p className="text-t2">{say.noNodes}</p> : <Skeleton rows={3} />}</div> : nodes.nodes.map((node) => <Machine key={node.name} node={node} />)}
    </Card>
  );
}

function Machine({ node }: { node: MachineNode }) {
  const { host } = node;
  const disk = host ? [...host.file_systems].sort((a, b) => b.used_bytes / b.total_bytes - a.used_bytes / a.total_bytes)[0] : undefined;
  const figures: [string, number | null][] = host ? [
    [words.servers.cpu, host.cpu], [words.servers.memory, host.memory.total_bytes ? host.memory.used_bytes / host.memory.total_bytes : null], [words.servers.disk, disk ? disk.used_bytes / disk.total_bytes : null],
  ] : [];
  return (
    <Link to="/servers/$name" params={{ name: node.name }} className="row-line mt-1 block px-4 py-3 hover:bg-s2">
      <span className="flex items-center gap-2">
        <Dot tone={toneOf(node.state)} label={node.state} /><span className="truncate font-medium">{node.name}</span>
        <span className="ml-auto truncate text-xs text-t3">{host ? words.servers.cores(host.cores) : node.sources.find((source) => source.error)?.error}</span>
      </span>
      {figures.length > 0 && (
        <span className="mt-2 grid grid-cols-3 gap-4">
          {figures.map(([label, share]) => (
            <span key={label} className="min-w-0">
              <span className="flex justify-between text-xs"><span className="text-t3">{label}</span><span>{percent(share)}</span></span>
              <Meter share={share} label={`${node.name}: ${label}`} className="mt-1" />
            </span>
          ))}
        </span>
      )}
    </Link>
  );
}

function Gpus({ nodes }: { nodes: MachineNode[] }) {
  const all = nodes.flatMap((node) => (node.gpus?.gpus ?? []).map((gpu) => ({ node: node.name, gpu })));
  if (all.length === 0) return null;
  const colours = coloursOf(all.map(({ gpu }) => gpu));
  return (
    <Card title={say.gpus}>
      <div className="grid grid-cols-[repeat(auto-fill,minmax(min(19rem,100%),1fr))] gap-3">
        {all.map(({ node, gpu }) => <GpuCard key={`${node} ${gpu.id}`} node={node} gpu={gpu} colours={colours} />)}
      </div>
    </Card>
  );
}

function Engines({ engines }: { engines: Engine[] }) {
  return (
    <Card title={say.engines} bare>
      <ul className="mt-1">
        {engines.map((engine) => (
          <li key={`${engine.service} ${engine.upstream}`} className="row-line flex min-h-11 flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
            <Link to="/services/$name" params={{ name: engine.service }} className="font-medium hover:underline">{engine.service}</Link>
            <Badge>{engine.preset}</Badge>
            <span className="min-w-0 flex-1 truncate text-t2">{engine.problem ?? engine.models.map((model) => model.name).join(", ")}</span>
            {engine.running != null && <span className="text-xs text-t2">{engine.running} {say.running}</span>}
            {engine.waiting != null && <span className="text-xs text-t2">{engine.waiting} {say.waiting}</span>}
            {engine.generated_tokens_per_second != null && <span className="text-xs text-t2">{Math.round(engine.generated_tokens_per_second)} {say.tokens}</span>}
            {engine.cache_used != null && <span className="text-xs text-t2">{say.cache} {percent(engine.cache_used)}</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Tail() {
  const entries = useQuery(auditTailQuery(ENTRIES));
  return (
    <Card title={say.audit} aside={<More to="/audit">{say.auditAll}</More>} bare>
      {pendingPart(entries, 5) ?? (
        <ol className="mt-1 pb-1">
          {entries.data?.entries.map((entry) => (
            <li key={entry.sequence} className="flex items-baseline gap-3 px-4 py-1.5">
              <Dot tone={entry.status === "failure" ? "bad" : "none"} label={entry.status} className="relative top-[-1px] size-1.5!" />
              <span className="min-w-0 flex-1 leading-snug"><span className="block truncate" title={entry.message}>{entry.message}</span><span className="text-xs text-t3">{entry.action} · {entry.user}</span></span>
              <Ago at={entry.timestamp} className="shrink-0 text-xs text-t3" />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function Blank({ status }: { status: GatewayStatus }) {
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  return (
    <div className="card">
      <Empty icon="services" title={say.blank.title} text={say.blank.text}>
        {isOperator && <Button look="primary" icon="plus" onClick={() => open({ kind: "register" })}>{say.blank.action}</Button>}
      </Empty>
      <div className="row-line grid gap-6 p-5 md:grid-cols-3">
        <div className="flex min-w-0 flex-col gap-2"><h3 className="font-medium">{say.blank.cli}</h3><Snippet text="conduit register --name grafana --host 10.0.1.50:3000" label={say.blank.cli} /></div>
        <div className="flex min-w-0 flex-col gap-2"><h3 className="font-medium">{say.blank.trust}</h3><Snippet text="conduit ca trust" label={say.blank.trust} /><p className="text-xs text-t3">{say.blank.trustText}</p></div>
        <div className="flex min-w-0 flex-col gap-2"><h3 className="font-medium">{say.blank.dns}</h3><p className="text-t2">{status.listen.dns.length > 0 ? say.blank.dnsText(status.listen.dns.join(", ")) : words.dns.off}</p></div>
      </div>
    </div>
  );
}
