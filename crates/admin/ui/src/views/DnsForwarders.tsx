// Who is asked for others' names, how they do, and what is kept of their answers.
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { part, post } from "../api/client";
import { dnsCacheQuery, queryClient } from "../api/queries";
import type { DnsForwarder } from "../api/types";
import { bytes, millis, percent } from "../lib/format";
import { hitRate } from "../lib/queries";
import { Badge, Button, Card, Dot, Empty, Facts, Failure, Field, Meter, pendingPart } from "../parts/basics";
import { Confirm } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { toast, toastFailure, useMay } from "../store";
import { words } from "../strings";

const say = words.forwarders;

export default function DnsForwarders() {
  const query = useQuery(dnsCacheQuery);
  const isOperator = useMay("change");
  const waiting = pendingPart(query, 8);
  if (waiting || !query.data) return waiting;
  const cache = query.data;
  if (cache.forwarders.length === 0) return <div className="card"><Empty icon="dns" title={say.none} text={say.noneText} /></div>;
  const rate = hitRate(cache.hits, cache.misses);
  const count = (n: number) => n.toLocaleString("en");
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
      <Card title={say.forwarders} bare><Rows label={say.forwarders} items={cache.forwarders} columns={COLUMNS} keyOf={(one) => `${one.address} ${one.domains.join(" ")}`} /></Card>
      <Card title={say.cache}>
        <div className="flex flex-col gap-4">
          <div>
            <p className="mb-1 flex justify-between gap-4"><span className="text-t3">{say.memory}</span><span>{say.of(bytes(cache.bytes), bytes(cache.size))}</span></p>
            <Meter label={say.memory} share={cache.size ? cache.bytes / cache.size : null} tone="info" />
          </div>
          <div>
            <p className="mb-1 flex justify-between gap-4"><span className="text-t3">{say.rate}</span><span>{percent(rate)}</span></p>
            <Meter label={say.rate} share={rate} tone="ok" />
          </div>
          <Facts facts={[[say.entries, count(cache.entries)], [say.inFlight, count(cache.in_flight)], [say.stale, count(cache.stale)], [say.prefetches, count(cache.prefetches)], [say.joined, count(cache.joined)], [say.evicted, count(cache.evicted)], [say.rebind, count(cache.rebind_dropped)], [say.overflows, count(cache.overflows)]]} />
          {cache.dnssec.enabled && (
            <section aria-label={say.dnssec} className="border-t border-s4 pt-4">
              <h3 className="mb-2 font-medium">{say.dnssec}</h3>
              <Facts facts={[[say.secure, count(cache.dnssec.secure)], [say.insecure, count(cache.dnssec.insecure)], [say.bogus, <span className={cache.dnssec.bogus > 0 ? "text-warn" : undefined}>{count(cache.dnssec.bogus)}</span>], [say.overworked, count(cache.dnssec.overworked)], [say.keys, count(cache.dnssec.zones)]]} />
            </section>
          )}
          {isOperator && <Flush />}
        </div>
      </Card>
    </div>
  );
}

/** Drops all that is kept, after a question, or what is kept about one name. */
function Flush() {
  const [isAsking, setAsking] = useState(false);
  const [name, setName] = useState("");
  const [isMissing, setMissing] = useState(false);
  const after = () => { for (const key of ["dns", "audit"]) void queryClient.invalidateQueries({ queryKey: [key] }); };
  const all = useMutation({
    mutationFn: () => post<{ forwarders: string[] }>("/dns/flush"),
    onSuccess: ({ forwarders }) => { toast("ok", words.dns.flushed(forwarders)); after(); },
    onError: toastFailure,
    onSettled: () => setAsking(false),
  });
  const one = useMutation({
    mutationFn: (name: string) => post(`/dns/flush?name=${part(name)}`),
    onSuccess: (_, name) => { toast("ok", say.forgot(name)); setName(""); after(); },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) one.mutate(name.trim());
    else setMissing(true);
  };
  return (
    <div className="flex flex-col gap-3 border-t border-s4 pt-4">
      <form noValidate onSubmit={submit}>
        <Field id="flush-name" label={say.one} problem={isMissing ? say.oneNeeded : undefined}>
          <div className="flex gap-2">
            <input id="flush-name" className="field font-mono" placeholder="www.example.com" value={name} spellCheck={false} autoCapitalize="none" autoComplete="off" aria-invalid={isMissing} aria-describedby="flush-name-note" onChange={(event) => { setName(event.target.value); setMissing(false); }} />
            <Button type="submit" isBusy={one.isPending}>{say.forget}</Button>
          </div>
        </Field>
        {one.error && <Failure error={one.error} className="mt-2" />}
      </form>
      <Button look="danger" className="self-start" onClick={() => setAsking(true)}>{say.flush}</Button>
      {isAsking && <Confirm danger title={say.flushTitle} text={say.flushText} action={say.flush} isBusy={all.isPending} onConfirm={() => all.mutate()} onClose={() => setAsking(false)} />}
    </div>
  );
}

const COLUMNS: Column<DnsForwarder>[] = [
  { key: "address", label: say.address, width: 1.8, cell: (one) => <span className="block truncate font-mono text-xs" title={one.address}>{one.address}</span> },
  { key: "state", label: say.state, width: "6.5rem", cell: (one) => <Badge tone={one.up ? "ok" : "bad"}><Dot tone={one.up ? "ok" : "bad"} className="size-1.5!" />{one.up ? say.up : say.aside}</Badge> },
  { key: "names", label: say.names, width: 1.4, hide: "sm", cell: (one) => <span className="block truncate text-t2" title={one.domains.join(", ")}>{one.domains.length === 0 ? <span className="text-t3">{say.others}</span> : one.domains.join(", ")}</span> },
  { key: "queries", label: say.queries, width: "5.5rem", end: true, hide: "md", cell: (one) => one.queries.toLocaleString("en") },
  { key: "failures", label: say.failures, width: "5.5rem", end: true, hide: "sm", cell: (one) => <span className={one.failures > 0 ? "text-warn" : "text-t3"}>{one.failures.toLocaleString("en")}</span> },
  { key: "takes", label: say.takes, width: "5.5rem", end: true, cell: (one) => millis(one.latency_ms) },
];
