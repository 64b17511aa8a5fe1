// What one number of a machine was.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import { historyQuery } from "../api/queries";
import type { History as Answer } from "../api/types";
import { bytes, millis, percent, perSecond } from "../lib/format";
import { Card, pendingPart } from "../parts/basics";
import { words } from "../strings";

const Chart = lazy(() => import("./Chart"));

interface Props { node: string; metric: string; title: string; hours: number }

const FORMATS: Record<string, (value: number | null) => string> = {
  ratio: percent,
  bytes,
  per_second: perSecond,
  seconds: (value) => millis((value ?? 0) * 1000),
  bytes_per_second: (value) => `${bytes(value)}/s`,
  celsius: (value) => `${Math.round(value ?? 0)} °C`,
  watts: (value) => `${Math.round(value ?? 0)} W`,
};
/** Shares that can be more than the whole. */
const UNBOUNDED = ["load_per_core"];
const plain = (value: number | null) => String(Math.round((value ?? 0) * 10) / 10);

export default function History({ node, metric, title, hours }: Props) {
  const query = useQuery(historyQuery(node, metric, hours));
  const drawn = useMemo(() => (query.data ? aligned(query.data) : null), [query.data]);
  const unit = query.data?.unit ?? "";
  return (
    <Card title={title}>
      {pendingPart(query, 3) ?? (drawn && drawn.times.length > 0 ? (
        <Suspense fallback={<div className="skeleton h-[132px]" />}>
          <Chart label={words.servers.chartOf(title, words.servers.hours(hours))} times={drawn.times} lines={drawn.lines} format={formatOf(unit)} top={unit === "ratio" && !UNBOUNDED.includes(metric) ? 1 : undefined} />
        </Suspense>
      ) : <p className="flex h-[132px] items-center justify-center text-t3">{words.servers.noPoints}</p>)}
    </Card>
  );
}

/** How a unit of the history is shown. */
export const formatOf = (unit: string) => FORMATS[unit] ?? plain;

/** One list of times for all series; a step without a sample is a gap. */
export function aligned(history: Answer): { times: number[]; lines: { label: string; values: (number | null)[] }[] } {
  const seconds = (at: string) => Math.round(Date.parse(at) / 1000);
  const found = new Set(history.series.flatMap((series) => series.points.map((point) => seconds(point.at))));
  const sorted = [...found].sort((a, b) => a - b);
  const times: number[] = [];
  for (const time of sorted) {
    const before = times.at(-1);
    if (before !== undefined && time - before > history.step_seconds * 3) times.push(Math.round(before + history.step_seconds));
    times.push(time);
  }
  const lines = history.series.map((series) => {
    const values = new Map(series.points.map((point) => [seconds(point.at), point.mean]));
    return { label: series.subject ?? history.metric, values: times.map((time) => values.get(time) ?? null) };
  });
  return { times, lines };
}
