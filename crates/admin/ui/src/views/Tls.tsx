import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { part, post } from "../api/client";
import { afterChange } from "../api/acts";
import { authorityQuery, certsQuery, inspectQuery } from "../api/queries";
import type { Authority, Certificate } from "../api/types";
import { matches } from "../lib/filter";
import { date, days, percent } from "../lib/format";
import { Badge, Button, Card, Copy, Empty, Facts, Fingerprint, pendingPart, SearchField, Snippet, State } from "../parts/basics";
import { Confirm, Dialog } from "../parts/Dialog";
import { Menu } from "../parts/Menu";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { toast, toastFailure, useMay } from "../store";
import { words } from "../strings";

const say = words.tls;

export default function Tls() {
  const certs = useQuery(certsQuery);
  const authority = useQuery(authorityQuery);
  const [text, setText] = useState("");
  const [inspected, setInspected] = useState<string | null>(null);
  const [rotated, setRotated] = useState<string | null>(null);
  const isOperator = useMay("certify");
  const all = certs.data?.certs;
  const found = useMemo(() => all?.filter((cert) => matches(text, cert.name, cert.domain, cert.algorithm, cert.fingerprint_sha256, cert.status)).sort((a, b) => a.not_after.localeCompare(b.not_after) || a.name.localeCompare(b.name)) ?? [], [all, text]);
  const rotate = useMutation({
    mutationFn: (name: string) => post(`/tls/${part(name)}/rotate`),
    onSuccess: (_, name) => { toast("ok", say.rotated(name)); afterChange(); },
    onError: toastFailure,
    onSettled: () => setRotated(null),
  });
  const columns: Column<Certificate>[] = [
    ...COLUMNS,
    { key: "actions", label: <span className="sr-only">{words.services.actions}</span>, width: "3.5rem", end: true, cell: (cert) => (
      <Menu label={`${words.services.actions}: ${cert.name}, ${cert.algorithm}`} items={[{ label: say.inspect, icon: "search", act: () => setInspected(cert.name) }, ...(isOperator ? [{ label: say.rotate, icon: "refresh" as const, act: () => setRotated(cert.name) }] : [])]} />
    ) },
  ];
  return (
    <Page title={words.views.tls} note={all && `${all.length} ${say.leaves.toLowerCase()}`}>
      {authority.data ? <Roots authority={authority.data} /> : <Card title={say.roots}>{pendingPart(authority, 2)}</Card>}
      {pendingPart(certs, 8) ?? (
        <>
          <div className="flex"><SearchField label={say.search} value={text} onChange={setText} /></div>
          <div className="card overflow-hidden">
            {all?.length === 0 ? <Empty icon="tls" title={say.empty} text={say.emptyText} /> : found.length === 0 ? <Empty icon="search" title={say.nothing} text={words.services.nothingText} /> : (
              <Rows label={say.leaves} items={found} columns={columns} keyOf={(cert) => cert.fingerprint_sha256} />
            )}
          </div>
        </>
      )}
      {inspected !== null && <Inspect name={inspected} onClose={() => setInspected(null)} />}
      {rotated !== null && <Confirm title={say.rotateTitle(rotated)} text={say.rotateText} action={say.rotate} isBusy={rotate.isPending} onConfirm={() => rotate.mutate(rotated)} onClose={() => setRotated(null)} />}
    </Page>
  );
}

const COLUMNS: Column<Certificate>[] = [
  { key: "status", label: say.status, width: "7rem", hide: "sm", cell: (cert) => <State state={cert.status} /> },
  { key: "service", label: say.service, width: 1, cell: (cert) => <Link to="/services/$name" params={{ name: cert.name }} className="block truncate font-medium hover:underline">{cert.name}</Link> },
  { key: "algorithm", label: say.algorithm, width: "7.5rem", hide: "sm", cell: (cert) => <Badge>{cert.algorithm}</Badge> },
  { key: "life", label: say.life, width: 2, hide: "md", cell: (cert) => <Life cert={cert} /> },
  { key: "renews", label: say.renews, width: "7rem", end: true, hide: "lg", cell: (cert) => <span className="text-t2">{date(cert.renew_at)}</span> },
  { key: "expires", label: say.expires, width: 1.4, end: true, cell: (cert) => <span className="whitespace-nowrap">{date(cert.not_after)} <span className="text-xs text-t3">{say.inDays(days(cert.not_after))}</span></span> },
];

/** Where a leaf is between its beginning and its end, and when it is renewed. */
function Life({ cert }: { cert: Certificate }) {
  const from = Date.parse(cert.not_before);
  const whole = Date.parse(cert.not_after) - from;
  const share = (at: number) => Math.min(1, Math.max(0, (at - from) / whole));
  const over = share(Date.now());
  const fill = cert.status === "expired" ? "bg-bad-fill" : cert.status === "expiring" ? "bg-warn-fill" : "bg-ok-fill";
  return (
    <div role="img" aria-label={say.lifeOf(cert.name, percent(over))} className="relative h-1.5 rounded-full bg-s3">
      <div className={`h-full min-w-1 rounded-full ${fill}`} style={{ width: `${over * 100}%` }} />
      <span title={`${say.renewMark}: ${date(cert.renew_at)}`} className="absolute -top-1 h-3.5 w-px bg-s5" style={{ left: `${share(Date.parse(cert.renew_at)) * 100}%` }} />
    </div>
  );
}

function Roots({ authority }: { authority: Authority }) {
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([authority.bundle_pem], { type: "application/x-pem-file" }));
    link.download = "conduit-ca.pem";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <Card title={say.roots} aside={<Button small onClick={download}>{say.download}</Button>}>
      <p className="mb-3 text-t2">{say.rootsText}</p>
      <div className="grid gap-3 lg:grid-cols-2">
        {authority.roots.map((root) => (
          <div key={root.fingerprint_sha256} className="min-w-0 rounded-md border border-s4 p-3">
            <p className="flex items-center gap-2"><Badge tone="info">{root.algorithm}</Badge><span className="truncate font-medium">{root.subject.replace(/^.*CN=/, "")}</span><span className="ml-auto shrink-0 text-xs text-t3">{say.until} {date(root.not_after)}</span></p>
            <p className="mt-2 flex items-start justify-between gap-1 text-t2"><Fingerprint hex={root.fingerprint_sha256} /><Copy text={root.fingerprint_sha256} label={`${words.copy}: ${say.fingerprint}, ${root.algorithm}`} className="-mt-1" /></p>
          </div>
        ))}
      </div>
      <p className="mt-4 mb-1 text-xs text-t3">{say.trust}</p>
      <Snippet text="conduit ca trust" label={say.trust} />
    </Card>
  );
}

function Inspect({ name, onClose }: { name: string; onClose: () => void }) {
  const query = useQuery(inspectQuery(name));
  return (
    <Dialog kind="panel" title={say.inspectTitle(name)} onClose={onClose}>
      {pendingPart(query) ?? query.data?.certs.map((cert) => (
        <section key={cert.fingerprint_sha256} className="border-b border-s4 px-5 py-4 last:border-0">
          <h3 className="mb-3 flex items-center gap-2"><Badge tone="info">{cert.algorithm}</Badge><State state={cert.status} /></h3>
          <Facts className="text-xs" facts={[
            [say.subject, cert.subject], [say.issuer, cert.issuer], [say.serial, <span key="s" className="font-mono">{cert.serial}</span>], [say.sans, cert.sans.join(", ")],
            [say.from, date(cert.not_before)], [say.until, `${date(cert.not_after)}, ${say.inDays(days(cert.not_after))}`], [say.renews, date(cert.renew_at)],
            ...(cert.key_usages?.length ? [[say.usages, cert.key_usages.join(", ")] as [string, string]] : []),
            [say.fingerprint, <Fingerprint key="f" hex={cert.fingerprint_sha256} />],
          ]} />
          {cert.pem && <div className="mt-3"><Snippet text={cert.pem.trim()} label={`PEM, ${cert.algorithm}`} /></div>}
        </section>
      ))}
    </Dialog>
  );
}
