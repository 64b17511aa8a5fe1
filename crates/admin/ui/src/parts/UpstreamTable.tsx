// The upstreams of one service, and what can be done to each by hand.
import { useState } from "react";
import { actOnUpstream, type Verb } from "../api/acts";
import type { UpstreamHealth } from "../api/types";
import { millis } from "../lib/format";
import { useMay } from "../store";
import { words } from "../strings";
import { Ago, Button, State } from "./basics";

const say = words.service;

export function UpstreamActions({ service, upstream }: { service: string; upstream: UpstreamHealth }) {
  const [busy, setBusy] = useState<Verb | null>(null);
  const isOperator = useMay("change");
  if (!isOperator) return null;
  const act = (verb: Verb) => {
    setBusy(verb);
    void actOnUpstream(service, upstream.upstream, verb).finally(() => setBusy(null));
  };
  const isOut = upstream.state === "draining" || upstream.state === "ejected" || upstream.hold != null;
  const verbs: [Verb, string][] = isOut ? [["admit", say.admit]] : [["drain", say.drain], ["eject", say.eject]];
  return <span className="inline-flex gap-1">{verbs.map(([verb, label]) => <Button key={verb} small isBusy={busy === verb} aria-label={`${label} ${upstream.upstream}`} onClick={() => act(verb)}>{label}</Button>)}</span>;
}

export function UpstreamTable({ service, upstreams }: { service: string; upstreams: UpstreamHealth[] }) {
  return (
    <div className="relative overflow-x-auto" tabIndex={0} role="group" aria-label={say.upstreams}>
      <table className="w-full min-w-xl">
        <thead>
          <tr>
            <th className="th pl-4!">{words.register.upstream}</th><th className="th">{words.services.state}</th>
            <th className="th text-right!">{words.services.response}</th><th className="th text-right!">{say.inFlight}</th><th className="th text-right!">{words.services.probe}</th><th className="th"><span className="sr-only">{words.services.actions}</span></th>
          </tr>
        </thead>
        <tbody>
          {upstreams.map((upstream) => (
            <tr key={upstream.upstream} className="row-line">
              <td className="td pl-4!"><span className="font-mono">{upstream.upstream}</span></td>
              <td className="td"><State state={upstream.state} />{(upstream.hold ?? upstream.reason) && <span className="ml-2 text-xs text-t2">{upstream.hold ? say.heldBy(upstream.hold.kind, upstream.hold.by) : upstream.reason}</span>}</td>
              <td className="td text-right">{millis(upstream.response_time_ms)}</td>
              <td className="td text-right">{upstream.in_flight}</td>
              <td className="td text-right"><Ago at={upstream.last_probe_at} className="text-t3" /></td>
              <td className="td pr-4! text-right"><UpstreamActions service={service} upstream={upstream} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
