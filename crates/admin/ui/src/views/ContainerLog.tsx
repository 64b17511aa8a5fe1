// The log of a container on the gateway's machine, followed while it is open.
import { useEffect, useRef, useState } from "react";
import { failureOf, part } from "../api/client";
import type { ContainerLine } from "../api/types";
import { LineReader } from "../lib/lines";
import { Failure, Skeleton } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { words } from "../strings";

const say = words.servers;
/** Lines that it begins with, and that are kept. */
const TAIL = 500;
const LINES_MAX = 2_000;
/** From the end, in pixels, where new lines are still followed. */
const NEAR_PX = 40;

export default function ContainerLog({ name, onClose }: { name: string; onClose: () => void }) {
  const [lines, setLines] = useState<ContainerLine[] | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [isOver, setOver] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);

  useEffect(() => {
    const stop = new AbortController();
    const follow = async () => {
      const response = await fetch(`/api/v1/containers/${part(name)}/logs?follow=true&tail=${TAIL}`, { credentials: "same-origin", cache: "no-store", signal: stop.signal });
      if (!response.ok || !response.body) throw await failureOf(response);
      setLines([]);
      const stream = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const reader = new LineReader<ContainerLine>();
      for (;;) {
        const { done, value } = await stream.read();
        if (done) break;
        const more = reader.push(value);
        if (more.length > 0) setLines((before) => [...(before ?? []), ...more].slice(-LINES_MAX));
      }
      setOver(true);
    };
    follow().catch((cause: unknown) => { if (!stop.signal.aborted) setFailure(cause); });
    return () => stop.abort();
  }, [name]);

  useEffect(() => {
    if (isAtEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines]);

  return (
    <Dialog kind="panel" title={say.logOf(name)} onClose={onClose}>
      <div ref={box} tabIndex={0} role="log" aria-label={say.logOf(name)} className="h-full overflow-auto px-5 py-3 font-mono text-xs leading-5"
        onScroll={(event) => { const at = event.currentTarget; isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX; }}>
        {failure !== null && <Failure error={failure} />}
        {lines === null && failure === null && <Skeleton rows={8} />}
        {lines?.length === 0 && <p className="text-t3">{say.logEmpty}</p>}
        {lines?.map((line, index) => (
          <p key={`${line.time} ${index}`} className={`break-words whitespace-pre-wrap ${line.stream === "stderr" ? "text-warn" : "text-t2"}`}><span className="mr-3 text-t3 select-none">{line.time.slice(11, 19)}</span>{line.line}</p>
        ))}
        {isOver && <p className="mt-2 text-t3">{say.logEnded}</p>}
      </div>
    </Dialog>
  );
}
