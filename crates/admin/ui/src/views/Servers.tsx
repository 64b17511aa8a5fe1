import * as Tabs from "@radix-ui/react-tabs";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { post, remove } from "../api/client";
import { nodesQuery, queryClient, rulesQuery, silencesQuery } from "../api/queries";
import type { Alert, AlertRule, MachineNode, Silence } from "../api/types";
import { bytes, dateTime, duration, percent } from "../lib/format";
import { Ago, Badge, Button, Dot, Empty, Failure, Field, Meter, pendingPart, State, toneOf } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { toast, toastFailure, useMay, useApp } from "../store";
import { words } from "../strings";
import { Channels } from "./Channels";

const say = words.servers;
type Tab = "machines" | "alerts" | "rules" | "silences" | "channels";

export default function Servers() {
  const query = useQuery(nodesQuery);
  const { tab = "machines" } = useSearch({ from: "/servers" });
  const navigate = useNavigate();
  const open = useApp((app) => app.open);
  const isOperator = useMay("change");
  const [silenced, setSilenced] = useState<{ rule: string; node?: string; subject?: string } | null>(null);
  const alerts = query.data?.alerts ?? [];
  const tabs: [Tab, string, number | null][] = [["machines", say.machines, query.data?.nodes.length ?? null], ["alerts", say.alerts, alerts.length || null], ["rules", say.rules, null], ["silences", say.silences, null], ["channels", say.channels, null]];
  return (
    <Page title={words.views.servers} actions={isOperator && <Button look="primary" icon="plus" onClick={() => open({ kind: "addNode" })}>{say.add}</Button>}>
      <Tabs.Root value={tab} onValueChange={(value) => void navigate({ to: "/servers", search: value === "machines" ? {} : { tab: value as Exclude<Tab, "machines"> }, replace: true })} className="flex flex-col gap-4">
        <Tabs.List aria-label={say.tabs} className="flex gap-1 overflow-x-auto border-b border-s4">
          {tabs.map(([value, label, count]) => (
            <Tabs.Trigger key={value} value={value} className="-mb-px flex h-9 items-center gap-1.5 border-b-2 border-transparent px-3 font-medium whitespace-nowrap text-t2 hover:text-t1 data-[state=active]:border-accent data-[state=active]:text-t1">
              {label}{count !== null && <span className="text-xs text-t3">{count}</span>}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="machines">{pendingPart(query, 6) ?? (query.data?.nodes.length === 0 ? <div className="card"><Empty icon="servers" title={say.empty} text={say.emptyText} /></div> : (
          <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(24rem,100%),1fr))] gap-3">{query.data?.nodes.map((node) => <li key={node.name} className="min-w-0"><Machine node={node} alerts={alerts.filter((alert) => alert.node === node.name)} /></li>)}</ul>
        ))}</Tabs.Content>
        <Tabs.Content value="alerts">{pendingPart(query, 4) ?? <div className="card overflow-hidden">{alerts.length === 0 ? <Empty icon="ok" title={say.noAlerts} text={say.noAlertsText} /> : <Alerts alerts={alerts} onSilence={isOperator ? setSilenced : undefined} />}</div>}</Tabs.Content>
        <Tabs.Content value="rules"><Rules onSilence={isOperator ? setSilenced : undefined} /></Tabs.Content>
        <Tabs.Content value="silences"><Silences /></Tabs.Content>
        <Tabs.Content value="channels"><Channels /></Tabs.Content>
      </Tabs.Root>
      {silenced && <SilenceDialog about={silenced} onClose={() => setSilenced(null)} />}
    </Page>
  );
}

export const fullest = (node: MachineNode) => node.host ? [...node.host.file_systems].filter((fs) => fs.total_bytes > 0).sort((a, b) => b.used_bytes / b.total_bytes - a.used_bytes / a.total_bytes)[0] : undefined;

function Machine({ node, alerts }: { node: MachineNode; alerts: Alert[] }) {
  const { host, gpus, containers } = node;
  const disk = fullest(node);
  const problem = node.sources.find((source) => source.error && !source.absent)?.error;
  return (
    <article className="card relative flex h-full flex-col gap-3 p-4 hover:border-s5/70">
      <header className="flex items-center gap-2.5">
        <Dot tone={toneOf(node.state)} label={node.state} />
        <h2 className="min-w-0 flex-1 truncate text-base font-semibold"><Link to="/servers/$name" params={{ name: node.name }} className="after:absolute after:inset-0">{node.name}</Link></h2>
        {alerts.length > 0 && <Badge tone={alerts.some((alert) => alert.severity === "critical") ? "bad" : "warn"}>{say.raised(alerts.length)}</Badge>}
        {node.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}
      </header>
      <p className="-mt-3 truncate pl-4.5 text-t3">{node.address ?? say.local}{host && ` · ${say.cores(host.cores)} · ${say.uptime.toLowerCase()} ${duration(host.uptime_seconds)}`}</p>
      {problem && <p className="rounded-md bg-bad-soft px-3 py-2 text-xs text-bad">{problem}</p>}
      {host && (
        <dl className="grid grid-cols-3 gap-4">
          <Share label={say.cpu} share={host.cpu} note={host.load?.[0] !== undefined ? `${say.load} ${host.load[0].toFixed(1)}` : ""} name={node.name} />
          <Share label={say.memory} share={host.memory.total_bytes ? host.memory.used_bytes / host.memory.total_bytes : null} note={bytes(host.memory.total_bytes)} name={node.name} />
          <Share label={say.disk} share={disk ? disk.used_bytes / disk.total_bytes : null} note={disk?.mount_point ?? ""} name={node.name} />
        </dl>
      )}
      <p className="mt-auto flex gap-4 text-xs text-t3">
        <span>{gpus && gpus.gpus.length > 0 ? `${gpus.gpus.length} × ${gpus.gpus[0]?.name}` : say.noGpus}</span>
        <span>{containers ? `${containers.containers.length + containers.left_out} ${say.containers.toLowerCase()}` : say.noContainers}</span>
      </p>
    </article>
  );
}

export function Share({ label, share, note, name }: { label: string; share: number | null; note: string; name: string }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-t3">{label}</dt>
      <dd className="text-lg font-semibold tracking-tight">{percent(share)}</dd>
      <dd><Meter share={share} label={`${name}: ${label}`} className="my-1" /><span className="block truncate text-xs text-t3">{note}</span></dd>
    </div>
  );
}

type OnSilence = ((about: { rule: string; node?: string; subject?: string }) => void) | undefined;

function Alerts({ alerts, onSilence }: { alerts: Alert[]; onSilence: OnSilence }) {
  const columns: Column<Alert>[] = [
    { key: "severity", label: say.severity, width: "7.5rem", cell: (alert) => <State state={alert.severity} /> },
    { key: "message", label: say.message, width: 3, cell: (alert) => <span className="line-clamp-2">{alert.message}</span> },
    { key: "rule", label: say.rule, width: 1, hide: "md", cell: (alert) => <span className="block truncate text-t2">{alert.rule}</span> },
    { key: "since", label: say.since, width: "7rem", end: true, hide: "sm", cell: (alert) => <Ago at={alert.raised_at} className="text-t3" /> },
    { key: "silence", label: <span className="sr-only">{words.services.actions}</span>, width: "7rem", end: true, cell: (alert) => alert.silenced ? <Badge>{words.dashboard.silenced}</Badge> : onSilence && <Button small onClick={() => onSilence({ rule: alert.rule, node: alert.node, ...(alert.subject ? { subject: alert.subject } : {}) })}>{say.silence}</Button> },
  ];
  return <Rows label={say.alerts} items={alerts} columns={columns} keyOf={(alert) => `${alert.rule} ${alert.node} ${alert.subject}`} />;
}

function Rules({ onSilence }: { onSilence: OnSilence }) {
  const query = useQuery(rulesQuery);
  const columns: Column<AlertRule>[] = [
    { key: "rule", label: say.rule, width: 1.2, cell: (rule) => <span className="block truncate font-medium">{rule.name}</span> },
    { key: "condition", label: say.condition, width: 2, hide: "sm", cell: (rule) => <span className="text-t2">{rule.condition}</span> },
    { key: "severity", label: say.severity, width: "7.5rem", cell: (rule) => <Badge tone={toneOf(rule.severity)}>{rule.severity}</Badge> },
    { key: "origin", label: say.origin, width: "7rem", hide: "md", cell: (rule) => <span className="text-t3">{rule.origin}</span> },
    { key: "enabled", label: words.services.state, width: "4rem", hide: "md", cell: (rule) => rule.enabled ? say.enabled : <span className="text-t3">{say.disabled}</span> },
    { key: "silence", label: <span className="sr-only">{words.services.actions}</span>, width: "6rem", end: true, cell: (rule) => onSilence && rule.enabled && <Button small aria-label={say.silenceTitle(rule.name)} onClick={() => onSilence({ rule: rule.name })}>{say.silence}</Button> },
  ];
  return <div className="card overflow-hidden">{pendingPart(query, 8) ?? <Rows label={say.rules} items={query.data?.rules ?? []} columns={columns} keyOf={(rule) => rule.name} dim={(rule) => !rule.enabled} />}</div>;
}

function Silences() {
  const query = useQuery(silencesQuery);
  const isOperator = useMay("change");
  const lift = useMutation({
    mutationFn: (silence: Silence) => remove(`/alerts/silences/${encodeURIComponent(silence.id)}`),
    onSuccess: (_, silence) => { toast("ok", say.lifted(silence.rule)); refresh(); },
    onError: toastFailure,
  });
  const columns: Column<Silence>[] = [
    { key: "rule", label: say.rule, width: 1, cell: (silence) => <span className="font-medium">{silence.rule}</span> },
    { key: "node", label: say.node, width: 1, hide: "sm", cell: (silence) => <span className="text-t2">{[silence.node, silence.subject].filter(Boolean).join(" ") || words.all}</span> },
    { key: "comment", label: say.comment, width: 1.5, hide: "md", cell: (silence) => <span className="block truncate text-t2">{silence.comment}</span> },
    { key: "by", label: say.by, width: 1, hide: "md", cell: (silence) => <span className="text-t3">{silence.by}</span> },
    { key: "until", label: say.until, width: "11rem", cell: (silence) => dateTime(silence.until) },
    { key: "lift", label: <span className="sr-only">{words.services.actions}</span>, width: "6rem", end: true, cell: (silence) => isOperator && <Button small isBusy={lift.isPending && lift.variables?.id === silence.id} onClick={() => lift.mutate(silence)}>{say.lift}</Button> },
  ];
  return <div className="card overflow-hidden">{pendingPart(query, 3) ?? (query.data?.silences.length === 0 ? <Empty icon="bell" title={say.noSilences} text={say.noSilencesText} /> : <Rows label={say.silences} items={query.data?.silences ?? []} columns={columns} keyOf={(silence) => silence.id} />)}</div>;
}

const HOURS = [1, 4, 24, 168];

function refresh() {
  for (const key of ["nodes", "silences", "audit"]) void queryClient.invalidateQueries({ queryKey: [key] });
}

function SilenceDialog({ about, onClose }: { about: { rule: string; node?: string; subject?: string }; onClose: () => void }) {
  const [hours, setHours] = useState(4);
  const [comment, setComment] = useState("");
  const act = useMutation({
    mutationFn: () => post("/alerts/silences", { ...about, for_seconds: hours * 3600, ...(comment.trim() ? { comment: comment.trim() } : {}) }),
    onSuccess: () => { toast("ok", say.silenced(about.rule)); refresh(); onClose(); },
  });
  return (
    <Dialog title={say.silenceTitle(about.rule)} onClose={onClose} footer={<><Button onClick={onClose}>{words.cancel}</Button><Button look="primary" type="submit" form="silence" isBusy={act.isPending}>{say.silence}</Button></>}>
      <form id="silence" className="flex flex-col gap-4 px-5 py-4" onSubmit={(event) => { event.preventDefault(); act.mutate(); }}>
        <p className="text-t2">{[about.node, about.subject].filter(Boolean).join(" ")} {say.silenceText}</p>
        <Field id="hours" label={say.forHow}><select id="hours" className="field" value={hours} onChange={(event) => setHours(Number(event.target.value))}>{HOURS.map((hours) => <option key={hours} value={hours}>{say.hours(hours)}</option>)}</select></Field>
        <Field id="comment" label={say.comment} optional><input id="comment" className="field" maxLength={200} value={comment} onChange={(event) => setComment(event.target.value)} /></Field>
        {act.error && <Failure error={act.error} />}
      </form>
    </Dialog>
  );
}
