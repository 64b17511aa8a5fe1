// The query log: who asked for which name, what was answered, and from where.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { queryLogQuery } from "../api/queries";
import type { DnsQuery, QueryList } from "../api/types";
import { dateTime, percent } from "../lib/format";
import { kindOf, type Outcome, queriesFor } from "../lib/queries";
import { Badge, Button, Empty, Failure, IconButton, pendingPart, SearchField, Segments, Snippet, type Tone } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { useMay } from "../store";
import { words } from "../strings";
import { WhyCard } from "./Why";

const say = words.queries;
const ON = "[dns]\nquery_log = \"all\"      # or \"errors\"";
const RELOAD = "conduit config reload";
const OUTCOMES: Outcome[] = ["all", "ok", "absent", "error"];
const TONES: Record<Exclude<Outcome, "all">, Tone> = { ok: "ok", absent: "warn", error: "bad" };

export default function DnsQueries() {
  const mayLook = useMay("observe");
  if (!mayLook) return <div className="card"><Empty icon="key" title={words.dns.tabs.queries} text={say.notYours} /></div>;
  return <Log />;
}

function Log() {
  const [isLive, setLive] = useState(true);
  const query = useQuery(queryLogQuery(isLive));
  const [text, setText] = useState("");
  const [outcome, setOutcome] = useState<Outcome>("all");
  const [explained, setExplained] = useState<DnsQuery>();
  const all = query.data?.queries;
  const found = useMemo(() => queriesFor(all ?? [], text, outcome), [all, text, outcome]);
  const columns = useMemo(() => columnsFor(setExplained), []);
  const waiting = pendingPart(query, 8);
  if (waiting || !query.data) return waiting;
  const isOff = query.data.logged === "off";
  if (isOff && query.data.queries.length === 0) return <div className="card"><Off /></div>;
  return (
    <div className="flex flex-col gap-3">
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {isOff && <div className="card p-4"><p className="mb-3 text-t2">{say.offStill}</p><HowTo /></div>}
      <div className="flex flex-wrap items-center gap-2">
        <SearchField label={say.search} value={text} onChange={setText} />
        <Segments<Outcome> label={say.show} value={outcome} onChange={setOutcome} options={OUTCOMES.map((value) => ({ value, label: say.outcomes[value] }))} />
        <span className="text-t3" role="status">{say.shown(found.length)}</span>
        <Button className="ml-auto" aria-pressed={!isLive} onClick={() => setLive(!isLive)}>{isLive ? say.pause : say.live}</Button>
      </div>
      <div className="card overflow-hidden">
        {found.length > 0 ? <Rows label={words.dns.tabs.queries} items={found} columns={columns} keyOf={(query) => String(query.sequence)} />
          : query.data.queries.length === 0 ? <Empty icon="dns" title={say.empty} text={say.emptyText} /> : <Empty icon="search" title={say.nothing} text={say.nothingText} />}
      </div>
      <Terms list={query.data} />
      {explained?.name && (
        <Dialog kind="panel" title={words.dns.why} onClose={() => setExplained(undefined)}>
          <div className="flex flex-col gap-3 px-5 py-4">
            <p className="font-mono text-sm break-all">{explained.name} <span className="text-t3">{explained.type}</span></p>
            <WhyCard name={explained.name} type={explained.type ?? "A"} client={explained.client ?? undefined} />
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** What is told, of whom, and where it is kept. */
function Terms({ list }: { list: QueryList }) {
  const share = list.sample < 1 ? say.ofThem(percent(list.sample)) : "";
  const place = list.output === "memory" ? say.memory : say.alsoIn(list.output);
  return (
    <p className="text-xs text-t3">
      {say.told(say.logged[list.logged] ?? list.logged, share, say.clients[list.clients] ?? list.clients, place)}
      {list.lost > 0 && <span className="text-warn"> {say.lost(list.lost)}</span>}
    </p>
  );
}

function Off() {
  return (
    <>
      <Empty icon="dns" title={say.off} text={say.offText} />
      <div className="mx-auto -mt-6 max-w-md px-6 pb-14"><HowTo /></div>
    </>
  );
}

function HowTo() {
  return (
    <div className="flex flex-col gap-2">
      <p className="text-xs text-t3">{say.offHow}</p>
      <Snippet text={ON} label={say.offHow} />
      <p className="text-xs text-t3">{say.offThen}</p>
      <Snippet text={RELOAD} label={say.offThen} />
    </div>
  );
}

const clock = (query: DnsQuery) => dateTime(query.time).slice(11);
const took = (ms: number) => (ms < 10 ? `${ms.toFixed(2)} ms` : `${Math.round(ms)} ms`);

const columnsFor = (explain: (query: DnsQuery) => void): Column<DnsQuery>[] => [
  { key: "time", label: say.time, width: "5.5rem", hide: "sm", cell: (query) => <time dateTime={query.time} title={dateTime(query.time)} className="text-t3">{clock(query)}</time> },
  { key: "client", label: say.client, width: "8.5rem", hide: "sm", cell: (query) => query.client ? <span className="block truncate font-mono text-xs" title={`${query.client} ${query.transport}`}>{query.client}</span> : <span className="text-t3">{say.hidden}</span> },
  { key: "question", label: say.question, width: 1.6, cell: (query) => query.name ? <span className="flex min-w-0 flex-col sm:flex-row sm:items-baseline sm:gap-1.5"><span className="truncate font-medium" title={query.name}>{query.name}</span><span className="truncate text-xs text-t3 sm:shrink-0">{query.type}<span className="sm:hidden"> {query.client} {clock(query)}</span></span></span> : <span className="text-t3">{say.unreadable}</span> },
  { key: "outcome", label: say.outcome, width: "6.5rem", cell: (query) => <Badge tone={TONES[kindOf(query)]} title={query.rcode ?? undefined}>{query.outcome}</Badge> },
  { key: "source", label: say.source, width: 0.9, hide: "md", cell: (query) => <span className="block truncate text-t2">{query.service ? <Link to="/services/$name" params={{ name: query.service }} className="hover:underline">{query.service}</Link> : <>{say.sources[query.source] ?? query.source}{query.forwarder && <span className="text-xs text-t3"> {query.forwarder}</span>}{query.list && <span className="text-xs text-t3" title={query.list}> {query.list}</span>}</>}</span> },
  { key: "answers", label: say.answers, width: 1.3, hide: "lg", cell: (query) => <span className="block truncate font-mono text-xs text-t2" title={(query.answers ?? []).join("\n")}>{(query.answers ?? []).join(", ")}{query.more ? ` ${say.andMore(query.more)}` : ""}</span> },
  { key: "took", label: say.took, width: "6rem", end: true, hide: "sm", cell: (query) => <span className="whitespace-nowrap text-t3">{took(query.duration_ms)}</span> },
  { key: "why", label: <span className="sr-only">{say.act}</span>, width: "3.5rem", end: true, cell: (query) => query.name && <IconButton icon="help" label={words.dns.whyOf(query.name, query.type ?? "")} onClick={() => explain(query)} /> },
];
