// Where answers come from before anybody is asked: names of ours, hosts files and lists, multicast DNS, and who
// copies or changes our zones.
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { dnsSourcesQuery } from "../api/queries";
import type { DnsListStatus as List, DnsSources as Sources, DnsZone } from "../api/types";
import { dateTime, relative } from "../lib/format";
import { Badge, Card, Dot, Empty, Facts, pendingPart, type Tone } from "../parts/basics";
import { type Column, Rows } from "../parts/Rows";
import { words } from "../strings";

const say = words.sources;
const count = (n: number) => n.toLocaleString("en");

export default function DnsSources() {
  const query = useQuery(dnsSourcesQuery);
  const waiting = pendingPart(query, 8);
  if (waiting || !query.data) return waiting;
  const { zones, lists, passed_over, mdns, secondaries } = query.data;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
      <div className="flex min-w-0 flex-col gap-4">
        <Card title={say.zones} bare><Rows label={say.zones} items={zones} columns={ZONES} keyOf={(zone) => zone.name} /></Card>
        <Card title={say.lists} bare>
          {lists.length === 0 ? <Empty icon="dns" title={say.noLists} text={say.noListsText} /> : <Rows label={say.lists} items={lists} columns={LISTS} keyOf={(list) => list.name} rowHeight={52} />}
          <Troubles lists={lists} passedOver={passed_over} />
        </Card>
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        <Mdns mdns={mdns} />
        <Secondaries all={secondaries} />
      </div>
    </div>
  );
}

/** What could not be read, with what is in force meanwhile. */
function Troubles({ lists, passedOver }: { lists: List[]; passedOver: string[] }) {
  const failed = lists.filter((list) => list.error);
  const skipped = lists.filter((list) => list.skipped > 0);
  if (failed.length + skipped.length + passedOver.length === 0) return null;
  return (
    <div className="flex flex-col gap-3 border-t border-s4 p-4">
      {failed.map((list) => <p key={list.name} className="flex items-start gap-2 text-bad"><Dot tone="bad" className="mt-1.5" /><span className="min-w-0 break-words">{(list.loaded_at ? say.kept : say.lost)(list.name, list.error ?? "")}</span></p>)}
      {skipped.map((list) => (
        <div key={list.name} className="min-w-0">
          <p className="flex items-start gap-2"><Dot tone="warn" className="mt-1.5" /><span className="min-w-0 break-words">{say.skipped(list.name, list.skipped)}</span></p>
          <ul className="mt-1 flex flex-col gap-1 pl-4 text-xs text-t2">
            {list.skipped_lines.slice(0, LINES_MAX).map((line) => <li key={line.line} className="break-words"><span className="text-t3">{say.line(line.line)}:</span> {line.reason}: <span className="font-mono">{line.text}</span></li>)}
            {list.skipped > LINES_MAX && <li className="text-t3">{say.more(list.skipped - LINES_MAX)}</li>}
          </ul>
        </div>
      ))}
      {passedOver.length > 0 && <p className="break-words text-t2">{say.passedOver} <span className="font-mono text-xs">{passedOver.join(", ")}</span></p>}
    </div>
  );
}

function Mdns({ mdns }: { mdns: Sources["mdns"] }) {
  return (
    <Card title={say.mdns}>
      {!mdns.enabled ? <p className="text-t2">{say.mdnsOff}</p> : mdns.links.length + mdns.missing.length === 0 ? <p className="text-t2">{say.mdnsNone}</p> : (
        <ul className="flex flex-col gap-3">
          {mdns.links.map((link) => (
            <li key={link.interface} className="min-w-0">
              <p className="flex flex-wrap items-center gap-2"><Dot tone={link.conflicts.length > 0 ? "warn" : "ok"} /><span className="font-mono text-xs">{link.interface}</span><span className="text-t2">{say.names(link.names)}{link.left_out > 0 && `, ${say.leftOut(link.left_out)}`}</span></p>
              {link.conflicts.map((one) => <p key={one.name} className="mt-1 pl-4 text-xs break-words text-warn">{say.conflict(one.name, one.from, one.says)}</p>)}
            </li>
          ))}
          {mdns.missing.map((one) => <li key={one.interface} className="flex flex-wrap items-center gap-2"><Dot tone="bad" /><span className="font-mono text-xs">{one.interface}</span><span className="min-w-0 break-words text-t2">{say.missing(one.reason)}</span></li>)}
        </ul>
      )}
    </Card>
  );
}

function Secondaries({ all }: { all: Sources["secondaries"] }) {
  const notified = all.notify.map((one) => (one.key ? `${one.address} (${one.key})` : one.address));
  const facts = useMemo(() => {
    const facts: [string, React.ReactNode][] = [];
    if (notified.length > 0) facts.push([say.notify, <span className="font-mono text-xs">{notified.join(", ")}</span>]);
    if (all.transfer_to.length > 0) facts.push([say.copyFrom, <span className="font-mono text-xs">{all.transfer_to.join(", ")}</span>]);
    for (const key of all.keys) {
      const rights = [...(key.transfer ? [say.mayCopy] : []), ...key.update.map(say.mayChange)];
      facts.push([key.name, rights.join(", ") || "–"]);
    }
    return facts;
  }, [all, notified]);
  return <Card title={say.secondaries}>{facts.length === 0 ? <p className="text-t2">{say.alone}</p> : <Facts facts={facts} />}</Card>;
}

const figure = (n: number) => (n === 0 ? <span className="text-t3">–</span> : <span>{count(n)}</span>);

const ZONES: Column<DnsZone>[] = [
  { key: "zone", label: say.zone, width: 1.6, cell: (zone) => <span className="flex min-w-0 items-center gap-2"><span className="truncate font-medium" title={zone.name}>{zone.name}</span>{zone.kind !== "domain" && <Badge>{say.kinds[zone.kind] ?? zone.kind}</Badge>}</span> },
  { key: "hosts", label: say.hosts, width: "5rem", end: true, cell: (zone) => figure(zone.services) },
  { key: "hand", label: say.byHand, width: "5.5rem", end: true, cell: (zone) => figure(zone.records) },
  { key: "config", label: say.config, width: "6.5rem", end: true, hide: "sm", cell: (zone) => figure(zone.config) },
  { key: "files", label: say.fromFiles, width: "6.5rem", end: true, hide: "sm", cell: (zone) => figure(zone.hosts) },
  { key: "serial", label: say.serial, width: "7.5rem", end: true, hide: "md", cell: (zone) => <span className="font-mono text-xs text-t3">{zone.serial}</span> },
];

const KINDS: Record<string, Tone> = { hosts: "info", block: "warn", allow: "ok" };

const LISTS: Column<List>[] = [
  { key: "list", label: say.list, width: 1.8, cell: (list) => <span className="flex min-w-0 flex-col"><span className="truncate font-medium" title={list.name}>{list.name}</span>{list.file !== list.name && <span className="truncate text-xs text-t3" title={list.file ?? undefined}>{list.file ?? say.inConfig}</span>}</span> },
  { key: "kind", label: say.kind, width: "6rem", cell: (list) => <Badge tone={list.error ? "bad" : (KINDS[list.kind] ?? "none")}>{list.error ? say.failed : (say.listKinds[list.kind] ?? list.kind)}</Badge> },
  { key: "format", label: say.format, width: "5.5rem", hide: "md", cell: (list) => <span className="text-t2">{list.format}</span> },
  { key: "entries", label: say.entries, width: "6rem", end: true, cell: (list) => count(list.entries + list.own) },
  { key: "hits", label: say.hits, width: "5.5rem", end: true, hide: "sm", cell: (list) => figure(list.hits) },
  { key: "read", label: say.read, width: "6.5rem", end: true, hide: "lg", cell: (list) => <span className="whitespace-nowrap text-t3" title={list.loaded_at ? dateTime(list.loaded_at) : undefined}>{list.loaded_at ? relative(list.loaded_at) : say.never}</span> },
];

/** Lines that were skipped, of each list; `conduit dns lists` has more. */
const LINES_MAX = 5;
