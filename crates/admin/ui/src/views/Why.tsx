// Why a name is answered as it is: the steps, and what comes of them.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get, part } from "../api/client";
import type { Why } from "../api/types";
import { Badge, pendingPart, type Tone } from "../parts/basics";
import { words } from "../strings";

const say = words.dns;
/** Steps that end the way of a question badly. */
const MARKS: Record<string, Tone> = { missing: "warn", no_data: "warn", alias_ends: "warn", no_forwarder: "warn", passed_over: "warn", list: "warn", screened: "warn" };

export function WhyCard({ name, type, client }: { name: string; type: string; client?: string | undefined }) {
  const query = useQuery({
    queryKey: ["why", name, type, client ?? ""],
    queryFn: ({ signal }) => get<Why>(`/dns/why?name=${part(name)}&type=${part(type)}${client ? `&client=${part(client)}` : ""}`, signal),
    staleTime: 0, gcTime: 0, retry: false,
  });
  const why = query.data;
  return pendingPart(query, 4) ?? (why && (
    <section aria-label={say.whyOf(why.name, why.type)} className="flex flex-col gap-3">
      <p className="text-xs text-t3">{say.whyFor(why.client)}</p>
      <ol className="flex flex-col gap-2.5">
        {why.steps.map((step, index) => (
          <li key={index} className="flex items-start gap-2.5">
            <span aria-hidden="true" className="mt-px flex size-5 shrink-0 items-center justify-center rounded-full bg-s3 text-2xs font-medium text-t2">{index + 1}</span>
            <span className="min-w-0 break-words">
              {step.text}{step.service && <> <Link to="/services/$name" params={{ name: step.service }} className="text-accent underline">{step.service}</Link></>}
              {toneOf(step) && <> <Badge tone={toneOf(step) ?? "none"}>{step.state ?? (step.step === "access" ? "REFUSED" : step.step.replace("_", " "))}</Badge></>}
            </span>
          </li>
        ))}
      </ol>
      <div className="rounded-md border border-s4 bg-s2 p-3">
        <p className="flex flex-wrap items-center gap-2 text-xs text-t3">{say.result}{why.answer.status && <Badge tone={why.answer.status === "NOERROR" ? "ok" : "warn"}>{why.answer.status}</Badge>}</p>
        {why.answer.records.length > 0
          ? <ul className="mt-1.5 flex flex-col gap-1 font-mono text-xs">{why.answer.records.map((record) => <li key={record} className="break-all">{record}</li>)}</ul>
          : <p className="mt-1 break-words">{why.answer.text}</p>}
      </div>
    </section>
  ));
}

/** What is kept of others' answers, and what came of judging them. */
const STATES: Record<string, Tone> = { fresh: "ok", negative: "warn", stale: "warn", secure: "ok", bogus: "bad" };

const toneOf = ({ step, state, allowed }: Why["steps"][number]): Tone | undefined => {
  if (step === "access") return allowed ? undefined : "bad";
  if (step === "cache" || step === "dnssec") return STATES[state ?? ""];
  return MARKS[step];
};
