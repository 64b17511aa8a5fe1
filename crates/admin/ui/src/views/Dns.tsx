import * as Tabs from "@radix-ui/react-tabs";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, lazy, Suspense, useMemo, useState } from "react";
import { get, part, remove } from "../api/client";
import { dnsQuery, queryClient } from "../api/queries";
import type { DnsEntry, RemoveRecordsReply, ResolveReply } from "../api/types";
import { later } from "../lib/code";
import { matches } from "../lib/filter";
import { dateTime, millis } from "../lib/format";
import { Badge, Button, Card, Copy, Empty, Facts, Failure, Field, IconButton, pendingPart, SearchField, Skeleton } from "../parts/basics";
import { Confirm } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { toast, toastFailure, useMay } from "../store";
import { words } from "../strings";
import { WhyCard } from "./Why";

const say = words.dns;
const AddRecord = lazy(() => import("./AddRecord"));
const Queries = lazy(later(() => import("./DnsQueries")));
const Forwarders = lazy(later(() => import("./DnsForwarders")));
const Sources = lazy(later(() => import("./DnsSources")));
type Tab = "records" | "sources" | "queries" | "forwarders";
const TYPES = ["A", "AAAA", "HTTPS", "PTR", "SOA", "NS", "CNAME", "MX", "TXT", "SRV", "SVCB", "CAA"];

export default function Dns() {
  const { tab = "records" } = useSearch({ from: "/dns" });
  const navigate = useNavigate();
  const query = useQuery(dnsQuery);
  const isOperator = useMay("change");
  const [isAdding, setAdding] = useState(false);
  const tabs: [Tab, string][] = [["records", say.tabs.records], ["sources", say.tabs.sources], ["queries", say.tabs.queries], ["forwarders", say.tabs.forwarders]];
  return (
    <Page title={words.views.dns} note={query.data && `${query.data.entries.length} ${say.entries.toLowerCase()}`}
      actions={isOperator && <Button look="primary" icon="plus" onClick={() => setAdding(true)}>{say.add}</Button>}>
      <Tabs.Root value={tab} onValueChange={(value) => void navigate({ to: "/dns", search: value === "records" ? {} : { tab: value as Exclude<Tab, "records"> }, replace: true })} className="flex flex-col gap-4">
        <Tabs.List aria-label={say.tabs.label} className="flex gap-1 overflow-x-auto border-b border-s4">
          {tabs.map(([value, label]) => (
            <Tabs.Trigger key={value} value={value} className="-mb-px flex h-9 items-center border-b-2 border-transparent px-3 font-medium whitespace-nowrap text-t2 hover:text-t1 data-[state=active]:border-accent data-[state=active]:text-t1">{label}</Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="records"><Records /></Tabs.Content>
        <Tabs.Content value="sources"><Suspense fallback={<Skeleton rows={8} className="p-4" />}><Sources /></Suspense></Tabs.Content>
        <Tabs.Content value="queries"><Suspense fallback={<Skeleton rows={8} className="p-4" />}><Queries /></Suspense></Tabs.Content>
        <Tabs.Content value="forwarders"><Suspense fallback={<Skeleton rows={8} className="p-4" />}><Forwarders /></Suspense></Tabs.Content>
      </Tabs.Root>
      {isAdding && <Suspense fallback={null}><AddRecord suggestion={`nas.${query.data?.domains[0] ?? "internal"}`} onClose={() => setAdding(false)} /></Suspense>}
    </Page>
  );
}

function Records() {
  const query = useQuery(dnsQuery);
  const [text, setText] = useState("");
  const isOperator = useMay("change");
  const [leaving, setLeaving] = useState<DnsEntry>();
  const leave = useMutation({
    mutationFn: (entry: DnsEntry) => remove<RemoveRecordsReply>(`/dns/records?name=${part(entry.domain)}&type=${part(entry.type ?? "")}&data=${part(entry.data ?? "")}`),
    onSuccess: (_, entry) => {
      toast("ok", say.removed(nameOf(entry)));
      for (const key of ["dns", "audit", "status"]) void queryClient.invalidateQueries({ queryKey: [key] });
      setLeaving(undefined);
    },
    onError: toastFailure,
  });
  const columns = useMemo(() => columnsFor(isOperator ? setLeaving : undefined), [isOperator]);
  const all = query.data?.entries;
  const found = useMemo(() => all?.filter((entry) => matches(text, entry.domain, entry.name, entry.type ?? "", entry.data ?? "", ...entry.addresses)) ?? [], [all, text]);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
      <div className="flex min-w-0 flex-col gap-3 max-xl:order-2">
        {pendingPart(query, 8) ?? (
          <>
            <SearchField label={say.search} value={text} onChange={setText} />
            <div className="card overflow-hidden">
              {all?.length === 0 ? <Empty icon="dns" title={say.empty} text={say.emptyText} /> : found.length === 0 ? <Empty icon="search" title={say.nothing} text={words.services.nothingText} /> : (
                <Rows label={say.entries} items={found} columns={columns} keyOf={(entry) => `${nameOf(entry)} ${entry.name}`} />
              )}
            </div>
          </>
        )}
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        <Resolver suggestion={all?.find((entry) => /^[a-z0-9]/.test(entry.domain) && !entry.domain.endsWith(".arpa"))?.domain ?? "grafana.internal"} />
        {query.data && <Card title={words.status.dns}><Facts facts={[[say.listen, query.data.listen.join(", ") || say.off], [say.domains, query.data.domains.join(", ")], [say.version, query.data.version]]} /></Card>}
      </div>
      {leaving && <Confirm danger title={say.removeTitle} text={say.removeText(nameOf(leaving))} action={say.remove} isBusy={leave.isPending} onConfirm={() => leave.mutate(leaving)} onClose={() => setLeaving(undefined)} />}
    </div>
  );
}

const nameOf = (entry: DnsEntry) => (entry.type ? `${entry.domain} ${entry.type} ${entry.data ?? ""}` : entry.domain);

/** Whoever may not remove records sees no button for it. */
const columnsFor = (leave: ((entry: DnsEntry) => void) | undefined): Column<DnsEntry>[] => [
  { key: "host", label: say.host, width: 1.7, cell: (entry) => <span className="flex min-w-0 items-center gap-1"><span className="truncate font-medium">{entry.domain}</span><Copy text={entry.domain} label={`${words.copy}: ${entry.domain}`} /></span> },
  { key: "answers", label: say.answers, width: 1.4, cell: (entry) => entry.type ? <span className="block truncate font-mono text-xs" title={entry.data ?? ""}><span className="text-t3">{entry.type}</span> {entry.data}</span> : entry.addresses.length > 0 ? <span className="block truncate font-mono text-xs">{entry.addresses.join(", ")}</span> : <span className="text-t3">{say.asked}</span> },
  { key: "mode", label: say.mode, width: "5.5rem", hide: "sm", cell: (entry) => <Badge tone={entry.mode === "direct" ? "info" : "none"}>{entry.mode}</Badge> },
  { key: "service", label: say.service, width: 0.8, hide: "md", cell: (entry) => entry.name ? <Link to="/services/$name" params={{ name: entry.name }} className="block truncate text-t2 hover:underline">{entry.name}</Link> : <span className="text-t3">–</span> },
  { key: "source", label: say.source, width: "7rem", hide: "sm", cell: (entry) => <span className="block truncate text-t2" title={`${say.created} ${dateTime(entry.created_at)}`}>{say.sources[entry.source] ?? entry.source}</span> },
  ...(leave ? [{ key: "leave", label: <span className="sr-only">{say.remove}</span>, width: "2.5rem" as const, end: true, cell: (entry: DnsEntry) => entry.source === "record" && <IconButton icon="close" label={say.removeOf(nameOf(entry))} onClick={() => leave(entry)} /> }] : []),
];

function Resolver({ suggestion }: { suggestion: string }) {
  const [name, setName] = useState("");
  const [type, setType] = useState("A");
  const mayExplain = useMay("observe");
  const asked = { name: name.trim() || suggestion, type };
  const ask = useMutation({ mutationFn: ({ name, type }: typeof asked) => get<ResolveReply>(`/dns/resolve?name=${part(name)}&type=${type}`) });
  const [explained, setExplained] = useState<typeof asked>();
  const found = ask.data;
  return (
    <Card title={say.resolver}>
      <form className="flex flex-col gap-3" onSubmit={(event: FormEvent) => { event.preventDefault(); setExplained(undefined); ask.mutate(asked); }}>
        <div className="grid grid-cols-[minmax(0,1fr)_6rem] gap-2">
          <Field id="question" label={say.question}><input id="question" className="field" value={name} placeholder={suggestion} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={(event) => setName(event.target.value)} /></Field>
          <Field id="type" label={say.type}><select id="type" className="field" value={type} onChange={(event) => setType(event.target.value)}>{TYPES.map((type) => <option key={type}>{type}</option>)}</select></Field>
        </div>
        <div className="grid grid-cols-2 gap-2">
          <Button type="submit" isBusy={ask.isPending} className={mayExplain ? "" : "col-span-2"}>{say.ask}</Button>
          {mayExplain && <Button icon="help" onClick={() => { ask.reset(); setExplained(asked); }}>{say.why}</Button>}
        </div>
      </form>
      {explained && <div className="mt-3"><WhyCard name={explained.name} type={explained.type} /></div>}
      <div role="status" className="mt-3 empty:hidden">
        {ask.error && <Failure error={ask.error} />}
        {found && (
          <div className="flex flex-col gap-2">
            <p className="flex flex-wrap items-center gap-2"><Badge tone={found.status === "NOERROR" ? "ok" : "warn"}>{found.status}</Badge><span className="min-w-0 break-words">{found.authoritative ? say.authoritative : found.list ? say.byList(found.list) : say.elsewhere}</span><span className="text-xs text-t3">{say.by(found.server, millis(found.elapsed_ms))}</span></p>
            {found.answers.length === 0 ? <p className="text-t2">{say.noAnswers}</p> : (
              <ul className="flex flex-col gap-1 rounded-md border border-s4 bg-s2 p-2 font-mono text-xs">
                {found.answers.map((answer) => <li key={`${answer.name} ${answer.type} ${answer.value}`} className="break-all"><span className="text-t3">{answer.name} {answer.ttl} {answer.type}</span> {answer.value}</li>)}
              </ul>
            )}
          </div>
        )}
      </div>
    </Card>
  );
}
