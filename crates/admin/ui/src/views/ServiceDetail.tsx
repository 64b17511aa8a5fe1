import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ApiFailure } from "../api/client";
import { auditTailQuery, checkQuery, serviceQuery } from "../api/queries";
import type { Check, Service } from "../api/types";
import { TrafficCharts } from "../charts/Traffic";
import { titleOf } from "../lib/filter";
import { date, dateTime, days, millis, shellWord } from "../lib/format";
import { Ago, Button, Card, Copy, Empty, Facts, Fingerprint, pendingPart, Snippet, State } from "../parts/basics";
import { Deregister } from "../parts/Deregister";
import { Icon } from "../parts/Icon";
import { UpstreamTable } from "../parts/UpstreamTable";
import { Requests } from "./Requests";
import { NotFound } from "../router";
import { Page } from "../shell/Shell";
import { useMay, useApp } from "../store";
import { words } from "../strings";

const say = words.service;
/** Entries of the record that are searched for the service's own, and how many are shown. */
const ENTRIES_SEARCHED = 200;
const ENTRIES_SHOWN = 6;

export default function ServiceDetail() {
  const { name } = useParams({ from: "/services/$name" });
  const query = useQuery(serviceQuery(name));
  const service = query.data?.service;
  if (query.error instanceof ApiFailure && query.error.status === 404) return <NotFound />;
  if (!service) return <Page title={name}><div className="card">{pendingPart(query, 8)}</div></Page>;
  return <Detail service={service} />;
}

function Detail({ service }: { service: Service }) {
  const navigate = useNavigate();
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  const [isLeaving, setLeaving] = useState(false);
  return (
    <Page title={titleOf(service)}
      note={<span className="flex items-center gap-3">{service.title && <span>{service.name}</span>}<State state={service.health_status} />{service.response_time_ms != null && <span>{millis(service.response_time_ms)}</span>}</span>}
      actions={<>
        {service.url?.startsWith("http") && <a href={service.url} target="_blank" rel="noopener noreferrer" className="inline-flex h-9 items-center gap-1.5 rounded-md border border-s5/60 bg-s1 px-3 font-medium hover:bg-s2"><Icon name="open" />{words.services.open}</a>}
        {isOperator && <Button icon="settings" onClick={() => open({ kind: "edit", name: service.name })}>{words.services.edit}</Button>}
        {isOperator && <Button look="danger" onClick={() => setLeaving(true)}>{words.services.deregister}</Button>}
      </>}>
      <Link to="/services" className="-mt-2 flex w-fit items-center gap-1 text-xs text-t3 hover:text-t1"><Icon name="back" className="size-3.5" />{words.views.services}</Link>
      {service.health_reason && service.health_status !== "healthy" && (
        <p role="status" className={`flex items-center gap-2.5 rounded-card px-4 py-2.5 ${service.health_status === "down" ? "bg-bad-soft text-bad" : "bg-warn-soft text-warn"}`}><Icon name="warn" />{service.health_reason}</p>
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          <Card title={say.upstreams} bare><UpstreamTable service={service.name} upstreams={service.upstream_health} /></Card>
          <TrafficCharts service={service.name} />
          <Requests service={service} />
          <Use service={service} />
          <Policy service={service} />
          <Entries name={service.name} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Checks service={service} />
          <Registration service={service} />
          {service.tls && <Leaf tls={service.tls} name={service.name} />}
        </div>
      </div>
      {isLeaving && <Deregister service={service} onClose={() => setLeaving(false)} leave={() => navigate({ to: "/services" })} />}
    </Page>
  );
}

function Checks({ service }: { service: Service }) {
  const tried = useQuery(checkQuery(service.name));
  const checks = tried.data?.service.checks ?? service.checks;
  return (
    <Card title={say.checks} aside={<Button small look="quiet" icon="refresh" isBusy={tried.isFetching} onClick={() => void tried.refetch()}>{say.tryNow}</Button>}>
      <ul className="flex flex-col gap-2">
        <One label={say.dns} check={checks.dns} />
        {service.tls && <One label={say.tls} check={checks.tls} />}
      </ul>
    </Card>
  );
}

function One({ label, check }: { label: string; check: Check | null }) {
  return (
    <li className="flex items-start gap-2.5">
      <Icon name={check === null ? "auto" : check.ok ? "ok" : "bad"} className={`mt-0.5 size-4 ${check === null ? "text-t3" : check.ok ? "text-ok" : "text-bad"}`} />
      <span className="min-w-0 flex-1">{label}{check?.reason && <span className="block text-xs text-bad">{check.reason}</span>}</span>
      {check === null ? <span className="text-xs text-t3">{say.untried}</span> : <><span className="sr-only">{check.ok ? words.yes : words.no}</span><Ago at={check.at} className="text-xs text-t3" /></>}
    </li>
  );
}

function Registration({ service }: { service: Service }) {
  return (
    <Card title={say.details}>
      <Facts facts={[
        ...(service.title ? [[words.name, service.name] as [string, string]] : []),
        [say.host, <span className="inline-flex items-center gap-1" key="h">{service.domain}<Copy text={service.domain} label={`${words.copy}: ${service.domain}`} className="-my-1" /></span>],
        ...(service.aliases.length > 0 ? [[say.aliases, service.aliases.join(", ")] as [string, string]] : []),
        [say.protocol, service.protocol],
        [say.dnsMode, service.dns],
        [say.health, service.health_check ?? (service.protocol === "tcp" ? say.probeConnect : say.probeDefault)],
        [say.allEjected, service.when_all_ejected],
        [say.registered, dateTime(service.registered_at)],
      ]} />
    </Card>
  );
}

function Leaf({ tls, name }: { tls: NonNullable<Service["tls"]>; name: string }) {
  return (
    <Card title={say.leaf} aside={<Link to="/tls" className="text-xs text-t3 hover:text-t1">{words.views.tls}</Link>}>
      <Facts facts={[[say.expires, `${date(tls.not_after)}, ${words.tls.inDays(days(tls.not_after))}`]]} />
      <p className="mt-3 mb-1 text-xs text-t3">{say.fingerprint}</p>
      <p className="flex items-start gap-1"><Fingerprint hex={tls.fingerprint_sha256} /><Copy text={tls.fingerprint_sha256} label={`${words.copy}: ${say.fingerprint}, ${name}`} className="-my-1" /></p>
    </Card>
  );
}

/** A command that works from any machine that asks this gateway for names. */
export function curlOf(service: Service): string {
  const url = service.url ?? service.domain;
  if (service.url?.startsWith("https://")) return `curl --cacert conduit-ca.pem ${shellWord(url)}/`;
  return service.url?.startsWith("http://") ? `curl ${shellWord(url)}/` : url;
}

function Use({ service }: { service: Service }) {
  return (
    <Card title={say.use}>
      <Snippet text={curlOf(service)} label={say.curl} />
      {service.tls && service.url?.startsWith("https://") && <p className="mt-2 text-xs text-t3">{say.trust}</p>}
    </Card>
  );
}

function Policy({ service }: { service: Service }) {
  const effective = service.effective_policy && Object.keys(service.effective_policy).length > 0 ? service.effective_policy : null;
  const asked = service.policy && Object.keys(service.policy).length > 0 ? service.policy : null;
  if (!effective && !asked) return null;
  const text = (policy: Record<string, unknown>) => JSON.stringify(policy, null, 2);
  return (
    <Card title={say.policy}>
      {asked && <Snippet text={text(asked)} label={say.policy} />}
      {effective && <details className="mt-3"><summary className="text-t2">{say.policyEffective}</summary><div className="mt-2"><Snippet text={text(effective)} label={say.policyEffective} /></div></details>}
    </Card>
  );
}

function Entries({ name }: { name: string }) {
  const query = useQuery(auditTailQuery(ENTRIES_SEARCHED));
  const entries = query.data?.entries.filter((entry) => entry.details.name === name).slice(0, ENTRIES_SHOWN) ?? [];
  if (entries.length === 0) return query.data ? null : <Card title={say.record}>{pendingPart(query, 3) ?? <Empty icon="audit" title={words.audit.empty} text={words.audit.emptyText} />}</Card>;
  return (
    <Card title={say.record} bare>
      <ol className="mt-1 pb-1">
        {entries.map((entry) => (
          <li key={entry.sequence} className="flex items-baseline gap-3 px-4 py-1.5">
            <span className="min-w-0 flex-1 break-words">{entry.message}</span><span className="hidden text-xs text-t3 sm:block">{entry.user}</span><Ago at={entry.timestamp} className="w-20 shrink-0 text-right text-xs text-t3" />
          </li>
        ))}
      </ol>
    </Card>
  );
}
