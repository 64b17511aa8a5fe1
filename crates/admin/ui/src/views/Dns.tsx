import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, lazy, Suspense, useMemo, useState } from "react";
import { get, part, post, remove } from "../api/client";
import { dnsQuery, queryClient } from "../api/queries";
import type { DnsEntry, RemoveRecordsReply, ResolveReply } from "../api/types";
import { matches } from "../lib/filter";
import { date, dateTime, millis } from "../lib/format";
import { Badge, Button, Card, Copy, Empty, Facts, Failure, Field, IconButton, pendingPart, SearchField } from "../parts/basics";
import { Confirm } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { toast, toastFailure, useMay } from "../store";
import { words } from "../strings";

const say = words.dns;
const AddRecord = lazy(() => import("./AddRecord"));
const TYPES = ["A", "AAAA", "HTTPS", "PTR", "SOA", "NS", "CNAME", "MX", "TXT", "SRV", "SVCB", "CAA"];

export default function Dns() {
  const query = useQuery(dnsQuery);
  const [text, setText] = useState("");
  const isOperator = useMay("change");
  const flush = useMutation({
    mutationFn: () => post<{ forwarders: string[] }>("/dns/flush"),
    onSuccess: ({ forwarders }) => {
      toast("ok", say.flushed(forwarders));
      void queryClient.invalidateQueries({ queryKey: ["audit"] });
    },
    onError: toastFailure,
  });
  const [isAdding, setAdding] = useState(false);
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
    <Page title={words.views.dns} note={query.data && `${all?.length ?? 0} ${say.entries.toLowerCase()}`}
      actions={isOperator && <><Button icon="refresh" isBusy={flush.isPending} onClick={() => flush.mutate()}>{say.flush}</Button><Button look="primary" icon="plus" onClick={() => setAdding(true)}>{say.add}</Button></>}>
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
          <Resolver suggestion={all?.[0]?.domain ?? "grafana.internal"} />
          {query.data && <Card title={words.status.dns}><Facts facts={[[say.listen, query.data.listen.join(", ") || say.off], [say.domains, query.data.domains.join(", ")], [say.version, query.data.version]]} /></Card>}
        </div>
      </div>
      {isAdding && <Suspense fallback={null}><AddRecord suggestion={`nas.${query.data?.domains[0] ?? "internal"}`} onClose={() => setAdding(false)} /></Suspense>}
      {leaving && <Confirm danger title={say.removeTitle} text={say.removeText(nameOf(leaving))} action={say.remove} isBusy={leave.isPending} onConfirm={() => leave.mutate(leaving)} onClose={() => setLeaving(undefined)} />}
    </Page>
  );
}

const nameOf = (entry: DnsEntry) => (entry.type ? `${entry.domain} ${entry.type} ${entry.data ?? ""}` : entry.domain);

/** Whoever may not remove records sees no button for it. */
const columnsFor = (leave: ((entry: DnsEntry) => void) | undefined): Column<DnsEntry>[] => [
  { key: "host", label: say.host, width: 1.6, cell: (entry) => <span className="flex min-w-0 items-center gap-1"><span className="truncate font-medium">{entry.domain}</span><Copy text={entry.domain} label={`${words.copy}: ${entry.domain}`} /></span> },
  { key: "answers", label: say.answers, width: 1.2, cell: (entry) => entry.type ? <span className="block truncate font-mono text-xs" title={entry.data ?? ""}><span className="text-t3">{entry.type}</span> {entry.data}</span> : entry.addresses.length > 0 ? <span className="block truncate font-mono text-xs">{entry.addresses.join(", ")}</span> : <span className="text-t3">{say.asked}</span> },
  { key: "mode", label: say.mode, width: "6.5rem", hide: "sm", cell: (entry) => <Badge tone={entry.mode === "direct" ? "info" : "none"}>{entry.mode}</Badge> },
  { key: "service", label: say.service, width: 1, hide: "md", cell: (entry) => entry.name ? <Link to="/services/$name" params={{ name: entry.name }} className="block truncate text-t2 hover:underline">{entry.name}</Link> : <span className="text-t3">–</span> },
  { key: "source", label: say.source, width: "7rem", hide: "sm", cell: (entry) => <span className="text-t2">{say.sources[entry.source] ?? entry.source}</span> },
  { key: "created", label: say.created, width: "7rem", end: true, hide: "lg", cell: (entry) => <span title={dateTime(entry.created_at)} className="text-t3">{date(entry.created_at)}</span> },
  ...(leave ? [{ key: "leave", label: <span className="sr-only">{say.remove}</span>, width: "2.5rem" as const, end: true, cell: (entry: DnsEntry) => entry.source === "record" && <IconButton icon="close" label={say.removeOf(nameOf(entry))} onClick={() => leave(entry)} /> }] : []),
];

function Resolver({ suggestion }: { suggestion: string }) {
  const [name, setName] = useState("");
  const [type, setType] = useState("A");
  const ask = useMutation({ mutationFn: () => get<ResolveReply>(`/dns/resolve?name=${encodeURIComponent(name.trim() || suggestion)}&type=${type}`) });
  const found = ask.data;
  return (
    <Card title={say.resolver}>
      <form className="flex flex-col gap-3" onSubmit={(event: FormEvent) => { event.preventDefault(); ask.mutate(); }}>
        <div className="grid grid-cols-[minmax(0,1fr)_6rem] gap-2">
          <Field id="question" label={say.question}><input id="question" className="field" value={name} placeholder={suggestion} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={(event) => setName(event.target.value)} /></Field>
          <Field id="type" label={say.type}><select id="type" className="field" value={type} onChange={(event) => setType(event.target.value)}>{TYPES.map((type) => <option key={type}>{type}</option>)}</select></Field>
        </div>
        <Button type="submit" isBusy={ask.isPending}>{say.ask}</Button>
      </form>
      <div role="status" className="mt-3 empty:hidden">
        {ask.error && <Failure error={ask.error} />}
        {found && (
          <div className="flex flex-col gap-2">
            <p className="flex flex-wrap items-center gap-2"><Badge tone={found.status === "NOERROR" ? "ok" : "warn"}>{found.status}</Badge><span>{found.authoritative ? say.authoritative : say.forwarded}</span><span className="text-xs text-t3">{say.by(found.server, millis(found.elapsed_ms))}</span></p>
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
