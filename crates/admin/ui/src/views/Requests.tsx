// What was asked of a service last, as the access log has it, and the log of its container.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { requestsQuery } from "../api/queries";
import type { RequestList, Service } from "../api/types";
import { bytes, millis } from "../lib/format";
import { later } from "../lib/code";
import { Ago, Badge, Button, Card, pendingPart, Snippet } from "../parts/basics";
import { words } from "../strings";

const say = words.requests;
const ContainerLog = lazy(later(() => import("./ContainerLog")));

export function Requests({ service }: { service: Service }) {
  const [isOpen, setOpen] = useState(false);
  const [isReading, setReading] = useState(false);
  // Only the gateway's own engine is asked for logs.
  const container = service.monitoring.ssh_host ? null : service.monitoring.container_name;
  return (
    <Card title={say.title} aside={<span className="flex gap-2">
      {container && <Button small look="quiet" onClick={() => setReading(true)}>{words.servers.logOf(container)}</Button>}
      <Button small look="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{isOpen ? say.hide : say.show}</Button>
    </span>}>
      {isOpen ? <Latest service={service.name} /> : <p className="text-t3">{say.text}</p>}
      {container && isReading && <Suspense><ContainerLog name={container} onClose={() => setReading(false)} /></Suspense>}
    </Card>
  );
}

function Latest({ service }: { service: string }) {
  const query = useQuery(requestsQuery(service));
  if (!query.data) return <>{pendingPart(query, 4)}</>;
  if (!query.data.logged) return <div className="flex flex-col gap-2"><p className="text-t2">{say.off}</p><Snippet text={'[access_log]\noutput = "/var/log/conduit/access.log"'} label={say.title} /></div>;
  if (query.data.requests.length === 0) return <p className="text-t3">{say.none}</p>;
  return (
    <div className="max-h-80 overflow-auto" tabIndex={0} role="region" aria-label={say.title}>
      <table className="w-full text-left text-xs">
        <thead className="text-t3"><tr><th className="pr-3 font-normal">{say.when}</th><th className="pr-3 font-normal">{say.status}</th><th className="w-full pr-3 font-normal">{say.what}</th><th className="pr-3 text-right font-normal">{say.took}</th><th className="hidden pr-3 text-right font-normal sm:table-cell">{say.size}</th><th className="hidden font-normal md:table-cell">{say.client}</th></tr></thead>
        <tbody>{query.data.requests.map((line, index) => <Line key={`${text(line.time)} ${index}`} line={line} />)}</tbody>
      </table>
    </div>
  );
}

type Fields = RequestList["requests"][number];
const text = (value: unknown) => (typeof value === "string" ? value : typeof value === "number" ? String(value) : "");
const count = (value: unknown) => (typeof value === "number" ? value : null);

function Line({ line }: { line: Fields }) {
  const status = count(line.status);
  // A connection of a byte stream has an end, and no status.
  const what = line.method === undefined ? text(line.server_name) || `:${text(line.port)}` : `${text(line.method)} ${text(line.path)}`;
  return (
    <tr className="border-t border-s4 align-baseline">
      <td className="py-1 pr-3 whitespace-nowrap"><Ago at={text(line.time)} className="text-t3" /></td>
      <td className="pr-3"><Badge tone={status !== null && status >= 500 ? "bad" : status !== null && status >= 400 ? "warn" : "none"}>{status ?? text(line.end)}</Badge></td>
      <td className="max-w-0 truncate pr-3 font-mono" title={`${what}\n${text(line.user_agent)}`}>{what}</td>
      <td className="pr-3 text-right whitespace-nowrap">{millis(count(line.duration_ms))}</td>
      <td className="hidden pr-3 text-right whitespace-nowrap sm:table-cell">{bytes(count(line.bytes_out))}</td>
      <td className="hidden whitespace-nowrap text-t2 md:table-cell">{text(line.identity) || text(line.client)}</td>
    </tr>
  );
}
