// What goes through, over the last minutes.
import { useQueries } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { serviceHistoryQuery } from "../api/queries";
import { bytes, millis, perSecond } from "../lib/format";
import { latest, type Line, type Point } from "../lib/traffic";
import { together } from "../lib/history";
import { Card, Failure, Segments } from "../parts/basics";
import { words } from "../strings";
import { useTraffic } from "../traffic";
import { formatOf } from "./History";

const Chart = lazy(() => import("./Chart"));
const say = words.traffic;

const bytesPerSecond = (value: number | null) => `${bytes(value)}/s`;

interface Drawn { title: string; now: string; format: (value: number | null) => string; lines: [string, (point: Point) => number | null, "bad"?][]; dots?: boolean }

const CHARTS: ((line: Line | undefined) => Drawn)[] = [
  (line) => ({
    title: say.requests, now: perSecond(latest(line).requests), format: perSecond,
    lines: [[say.all, (point) => point.rates.requests], [say.errors, (point) => point.rates.errors, "bad"]],
  }),
  (line) => ({ title: say.took, now: millis(latest(line).took_ms), format: millis, lines: [[say.took, (point) => point.rates.took_ms]], dots: true }),
  (line) => ({
    title: say.bytes, now: bytesPerSecond(latest(line).sent), format: bytesPerSecond,
    lines: [[say.sent, (point) => point.rates.sent], [say.received, (point) => point.rates.received]],
  }),
];

/** Hours of the windows beside the live one. */
const WINDOWS = [1, 24, 168, 720];
const PAST: [string, string[]][] = [
  [say.requests, ["service_requests", "service_5xx"]],
  [say.took, ["service_took"]],
  [say.bytes, ["service_sent", "service_received"]],
];

/** The charts of one service: the last minutes, live, or what the history has. */
export function TrafficCharts({ service }: { service: string }) {
  const line = useTraffic((flow) => flow.services[service]);
  const [hours, setHours] = useState(0);
  return (
    <Card title={say.title} aside={line && <span className="text-xs text-t3">{say.counts(line.counts.requests, line.counts.errors, latest(line).inFlight)}</span>}>
      <div className="mb-3 flex"><Segments label={words.servers.window} value={String(hours)} onChange={(value) => setHours(Number(value))} options={[0, ...WINDOWS].map((hours) => ({ value: String(hours), label: hours === 0 ? say.live : words.servers.hours(hours) }))} /></div>
      {hours === 0 ? <Live line={line} /> : <div className="grid gap-4 md:grid-cols-3">{PAST.map(([title, metrics]) => <Past key={title} service={service} title={title} metrics={metrics} hours={hours} />)}</div>}
    </Card>
  );
}

const LABELS: Record<string, string> = { service_requests: say.all, service_5xx: say.errors, service_took: say.took, service_sent: say.sent, service_received: say.received };

function Past({ service, title, metrics, hours }: { service: string; title: string; metrics: string[]; hours: number }) {
  const queries = useQueries({ queries: metrics.map((metric) => serviceHistoryQuery(service, metric, hours)) });
  const failed = queries.find((query) => query.error);
  const answers = queries.flatMap((query) => query.data ?? []);
  const [first] = answers;
  const drawn = first && answers.length === metrics.length ? together(answers, first.metric !== "service_took") : null;
  return (
    <div className="min-w-0">
      <p className="text-xs text-t3">{title}</p>
      {failed ? <Failure error={failed.error} /> : !drawn ? <div className="skeleton h-[132px]" /> : drawn.times.length === 0 ? <p className="flex h-[132px] items-center justify-center text-t3">{words.servers.noPoints}</p> : (
        <Suspense fallback={<div className="skeleton h-[132px]" />}>
          <Chart label={words.servers.chartOf(title, words.servers.hours(hours))} times={drawn.times} lines={drawn.lines.map(({ metric, values }) => ({ label: LABELS[metric] ?? metric, values, isBad: metric === "service_5xx", dots: metric === "service_took" }))} format={formatOf(first?.unit ?? "")} />
        </Suspense>
      )}
    </div>
  );
}

function Live({ line }: { line: Line | undefined }) {
  const points = line?.points;
  const times = useMemo(() => points?.map((point) => point.at) ?? [], [points]);
  if (times.length < 2) return <p className="flex h-[132px] items-center justify-center text-t3">{line ? say.still : say.never}</p>;
  return <div className="grid gap-4 md:grid-cols-3">{CHARTS.map((of) => of(line)).map((drawn) => <One key={drawn.title} drawn={drawn} times={times} points={points ?? []} />)}</div>;
}

function One({ drawn, times, points }: { drawn: Drawn; times: number[]; points: Point[] }) {
  const lines = drawn.lines.map(([label, value, tone]) => ({ label, values: points.map(value), dots: drawn.dots ?? false, isBad: tone === "bad" }));
  return (
    <div className="min-w-0">
      <p className="flex justify-between text-xs text-t3"><span>{drawn.title}</span><span className="text-t1">{drawn.now}</span></p>
      <Suspense fallback={<div className="skeleton h-[132px]" />}>
        <Chart label={say.chartOf(drawn.title)} times={times} lines={lines} format={drawn.format} />
      </Suspense>
    </div>
  );
}

/** All requests per second, small. */
export function Spark() {
  const points = useTraffic((flow) => flow.total?.points);
  if (!points || points.length < 2) return <span className="text-t3">{say.none}</span>;
  const most = Math.max(...points.map((point) => point.rates.requests), 1e-9);
  const [first, last] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 1];
  const place = (point: Point) => `${(((point.at - first) / Math.max(last - first, 1)) * 100).toFixed(1)},${(15 - (point.rates.requests / most) * 14).toFixed(1)}`;
  return <svg aria-hidden="true" viewBox="0 0 100 16" preserveAspectRatio="none" className="h-4 w-full text-accent"><polyline points={points.map(place).join(" ")} fill="none" stroke="currentColor" strokeWidth="1.5" vectorEffect="non-scaling-stroke" /></svg>;
}
