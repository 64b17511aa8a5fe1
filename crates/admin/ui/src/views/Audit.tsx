import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { get } from "../api/client";
import type { AuditEntry, AuditList, AuditProof, AuditReport } from "../api/types";
import { matches } from "../lib/filter";
import { dateTime } from "../lib/format";
import { Ago, Badge, Button, Empty, Facts, Failure, pendingPart, SearchField, Segments, Snippet } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { Icon } from "../parts/Icon";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { words } from "../strings";

const say = words.audit;
const PAGE = 100;
/** Pages that are kept; whoever looks further back exports the record. */
const PAGES_MAX = 100;

export default function Audit() {
  const [text, setText] = useState("");
  const [kind, setKind] = useState<"all" | "failure">("all");
  const [shown, setShown] = useState<AuditEntry | null>(null);
  const query = useInfiniteQuery({
    queryKey: ["audit", "pages"], maxPages: PAGES_MAX, initialPageParam: null as number | null,
    queryFn: ({ pageParam, signal }) => get<AuditList>(`/audit?limit=${PAGE}${pageParam === null ? "" : `&before=${pageParam}`}`, signal),
    getNextPageParam: (last) => last.next_before,
  });
  const verify = useMutation({ mutationFn: () => get<AuditReport>("/audit/verify") });
  const entries = useMemo(() => query.data?.pages.flatMap((page) => page.entries), [query.data]);
  const found = useMemo(() => entries?.filter((entry) => (kind === "all" || entry.status === "failure") && matches(text, entry.message, entry.action, entry.user, String(entry.sequence), entry.hash)) ?? [], [entries, text, kind]);
  const columns: Column<AuditEntry>[] = [
    { key: "number", label: say.number, width: "5rem", end: true, hide: "md", cell: (entry) => <span className="text-t3">{entry.sequence}</span> },
    { key: "when", label: say.when, width: "6.5rem", cell: (entry) => <Ago at={entry.timestamp} className="text-t2" /> },
    { key: "action", label: say.action, width: "11.5rem", hide: "sm", cell: (entry) => <Badge tone={entry.status === "failure" ? "bad" : "none"}>{entry.action}</Badge> },
    { key: "message", label: say.message, width: 3, cell: (entry) => <button type="button" onClick={() => setShown(entry)} className="block w-full truncate text-left hover:underline" title={entry.message}>{entry.message}</button> },
    { key: "who", label: say.who, width: 1, hide: "md", cell: (entry) => <span className="block truncate text-t2">{entry.user}</span> },
  ];
  return (
    <Page title={words.views.audit} note={entries?.[0] && `${(entries[0].sequence + 1).toLocaleString("en")} ${words.dashboard.audit.split(" ")[1]}`}
      actions={<>
        <a href="/api/v1/audit/export" download="audit.jsonl" className="inline-flex h-9 items-center gap-1.5 rounded-md border border-s5/60 bg-s1 px-3 font-medium hover:bg-s2">{say.export}</a>
        <Button icon="check" isBusy={verify.isPending} onClick={() => verify.mutate()}>{say.verify}</Button>
      </>}>
      <div role="status" className="empty:hidden">
        {verify.data && <Verdict report={verify.data} />}
        {verify.error && <Failure error={verify.error} />}
      </div>
      {pendingPart(query, 10) ?? (
        <>
          <div className="flex flex-wrap items-center gap-2">
            <SearchField label={say.search} value={text} onChange={setText} />
            <Segments label={say.filter} value={kind} onChange={setKind} options={[{ value: "all", label: words.all }, { value: "failure", label: say.failures }]} />
          </div>
          <div className="card overflow-hidden">
            {entries?.length === 0 ? <Empty icon="audit" title={say.empty} text={say.emptyText} /> : found.length === 0 ? <Empty icon="search" title={say.nothing} text={say.nothingText} /> : <Rows label={words.views.audit} items={found} columns={columns} keyOf={(entry) => entry.id} rowHeight={40} />}
          </div>
          {query.hasNextPage && <div className="flex justify-center"><Button isBusy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{say.older}</Button></div>}
        </>
      )}
      {shown && <Entry entry={shown} onClose={() => setShown(null)} />}
    </Page>
  );
}

function Verdict({ report }: { report: AuditReport }) {
  return (
    <div className={`flex items-start gap-3 rounded-card px-4 py-3 ${report.valid ? "bg-ok-soft" : "bg-bad-soft"}`}>
      <Icon name={report.valid ? "ok" : "bad"} className={`mt-0.5 size-4 ${report.valid ? "text-ok" : "text-bad"}`} />
      <div className="min-w-0">
        <p className="font-medium">{report.valid ? say.valid(report.entries) : say.invalid}</p>
        {report.valid && report.head && <p className="font-mono text-xs break-all text-t2">{say.head} {report.head}</p>}
        <ul className="text-bad">{report.failures.map((failure) => <li key={`${failure.sequence} ${failure.message}`}>{failure.sequence !== null && `${say.entry(failure.sequence)}: `}{failure.message}</li>)}</ul>
      </div>
    </div>
  );
}

function Entry({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const mono = (text: string) => <span className="font-mono text-xs break-all">{text}</span>;
  return (
    <Dialog kind="panel" title={say.entry(entry.sequence)} onClose={onClose}>
      <div className="flex flex-col gap-4 px-5 py-4">
        <p className="text-base">{entry.message}</p>
        <Facts facts={[[say.when, dateTime(entry.timestamp)], [say.action, entry.action], [say.status, entry.status], [say.who, entry.user], [say.id, mono(entry.id)], [say.hash, mono(entry.hash)], [say.previous, mono(entry.previous_hash ?? words.none)]]} />
        <Proof sequence={entry.sequence} />
        <div><h3 className="mb-1 text-xs text-t3">{say.details}</h3><Snippet text={JSON.stringify(entry.details, null, 2)} label={say.details} /></div>
      </div>
    </Dialog>
  );
}

/** What shows that the entry is sealed, to be kept and judged elsewhere. */
function Proof({ sequence }: { sequence: number }) {
  const proving = useMutation({ mutationFn: () => get<AuditProof>(`/audit/${sequence}/proof`) });
  const proof = proving.data;
  const file = `entry-${sequence}.json`;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex gap-2">
        <Button icon="check" isBusy={proving.isPending} onClick={() => proving.mutate()}>{say.prove}</Button>
        {proof && <Button onClick={() => save(file, proof)}>{say.keepProof}</Button>}
      </div>
      <div role="status" className="empty:hidden">
        {proving.error && <Failure error={proving.error} />}
        {proof && (
          <div className={`flex items-start gap-3 rounded-card px-4 py-3 ${proof.valid ? "bg-ok-soft" : "bg-bad-soft"}`}>
            <Icon name={proof.valid ? "ok" : "bad"} className={`mt-0.5 size-4 ${proof.valid ? "text-ok" : "text-bad"}`} />
            <div className="min-w-0">
              <p className="font-medium">{proof.valid ? say.proven : say.notProven}</p>
              <p>{proof.failure ?? (proof.next ? say.followed(sequence + 1) : say.isNewest)}</p>
              <p className="mt-1 text-xs text-t2">{say.key} <span className="font-mono break-all">{proof.entry.public_key}</span></p>
            </div>
          </div>
        )}
      </div>
      {proof && <Snippet text={`conduit audit verify --proof ${file}`} label={say.judgeElsewhere} />}
    </div>
  );
}

function save(file: string, proof: AuditProof) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(proof, null, 2)}\n`], { type: "application/json" }));
  link.download = file;
  link.click();
  URL.revokeObjectURL(link.href);
}
