// The line at the bottom: what holds now, wherever one is.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { nodesQuery, statusQuery } from "../api/queries";
import { Ago, Dot, type Tone } from "../parts/basics";
import { useApp } from "../store";
import { words } from "../strings";

export function StatusBar() {
  const status = useQuery(statusQuery);
  const { data: nodes } = useQuery(nodesQuery);
  const link = useApp((app) => app.link);
  const now = status.data;
  const isReached = status.error === null || status.errorUpdatedAt < status.dataUpdatedAt;
  return (
    <footer aria-label={words.status.label} className="flex h-8 items-center gap-x-4 overflow-x-auto border-t border-s4 bg-s1 px-3 text-xs whitespace-nowrap text-t2 [scrollbar-width:none]" tabIndex={0}>
      {now && <Parts now={now} />}
      {nodes && <Part to="/servers" tone={nodes.nodes.every((node) => node.state !== "lost") ? "ok" : "bad"}>{words.status.nodes(nodes.nodes.filter((node) => node.state === "up").length, nodes.nodes.length)}</Part>}
      {now?.last_audit && (
        <Link to="/audit" className="hidden min-w-0 items-center gap-1.5 hover:text-t1 md:flex">
          <span className="text-t3">{words.status.audit}</span><span className="truncate">{now.last_audit.action}</span><Ago at={now.last_audit.timestamp} className="text-t3" />
        </Link>
      )}
      <span className="sticky -right-3 -mr-3 ml-auto flex h-full items-center gap-1.5 bg-s1 px-3" role="status">
        <Dot tone={!isReached ? "bad" : link === "live" ? "ok" : "warn"} />
        {!isReached ? words.status.waiting : words.status[link]}
      </span>
    </footer>
  );
}

function Parts({ now }: { now: NonNullable<Awaited<ReturnType<NonNullable<typeof statusQuery.queryFn>>>> }) {
  const { services, certs, listen } = now;
  const badLeaves = certs.expiring + certs.expired;
  const worst: Tone = services.down > 0 ? "bad" : services.degraded > 0 ? "warn" : services.total > 0 ? "ok" : "none";
  return (
    <>
      {(now.stopping || !now.ready) && <span className="flex items-center gap-1.5 font-medium text-bad"><Dot tone="bad" />{now.stopping ? words.status.stopping : words.status.notReady}: {now.not_ready.join(", ")}</span>}
      <Part to="/dns" tone={listen.dns.length > 0 ? "ok" : "none"} title={listen.dns.join(", ")}>{words.status.dns}{listen.dns.length === 0 && ` ${words.status.off}`}</Part>
      <Part to="/routing" tone={listen.https.length + listen.http.length > 0 ? "ok" : "none"} title={[...listen.https, ...listen.http].join(", ")}>{words.status.proxy}{listen.https.length + listen.http.length === 0 && ` ${words.status.off}`}</Part>
      <Part to="/services" tone={worst}>{words.status.up(services.healthy + services.degraded, services.total)}</Part>
      <Part to="/tls" tone={certs.expired > 0 ? "bad" : badLeaves > 0 ? "warn" : "ok"}>{badLeaves > 0 ? words.status.leavesBad(badLeaves) : words.status.leaves(certs.valid)}</Part>
    </>
  );
}

function Part({ to, tone, title, children }: { to: "/dns" | "/routing" | "/services" | "/tls" | "/servers"; tone: Tone; title?: string; children: ReactNode }) {
  return <Link to={to} title={title} className="flex items-center gap-1.5 hover:text-t1"><Dot tone={tone} />{children}</Link>;
}
