// A line over time for each subject, drawn by uPlot; loaded only where there is one.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useApp } from "../store";

export interface Line { label: string; values: (number | null)[]; /** Where values are rare. */ dots?: boolean; /** It tells what went wrong. */ isBad?: boolean }
interface Props { label: string; times: number[]; lines: Line[]; format: (value: number | null) => string; top?: number | undefined }

const HEIGHT = 132;
const HUES = [262, 155, 70, 310, 25, 200, 110, 340];
const BAD_HUE = 25;
const hueOf = (index: number, isBad: boolean | undefined) => (isBad ? BAD_HUE : HUES[index % HUES.length]);
const stroke = (hue: number | undefined, isDark: boolean) => `oklch(${isDark ? 0.74 : 0.56} 0.15 ${hue})`;

export default function Chart({ label, times, lines, format, top }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot>(null);
  const theme = useApp((app) => app.theme);
  const labels = lines.map((one) => one.label).join("\n");
  const hues = lines.map((one, index) => hueOf(index, one.isBad)).join(" ");
  const hasDots = times.length < 3 || lines.some((one) => one.dots);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const style = getComputedStyle(element);
    const isDark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    const line = isDark ? "oklch(0.315 0.017 262)" : "oklch(0.905 0.008 260)";
    const axis = { stroke: style.color, font: `11px ${style.fontFamily}`, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const chart = new uPlot({
      width: element.clientWidth, height: HEIGHT, padding: [8, 4, 0, 0], legend: { show: false }, cursor: { y: false, points: { size: 5 } },
      scales: { y: { range: (_, min, max) => [Math.min(0, min ?? 0), top ?? Math.max((max ?? 1) * 1.1, 1e-9)] } },
      axes: [{ ...axis, size: 24, space: 70, values: (chart, ticks) => ticks.map(clock(chart.data[0] as number[])) }, { ...axis, size: 68, space: 30, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
      series: [{}, ...labels.split("\n").map((label, index, all) => ({ label, stroke: stroke(Number(hues.split(" ")[index]), isDark), width: 1.5, fill: all.length === 1 ? `oklch(${isDark ? 0.74 : 0.56} 0.15 262 / 0.1)` : undefined, points: { show: hasDots, size: 4 }, spanGaps: false }))] as uPlot.Series[],
    }, [[], ...labels.split("\n").map(() => [])], element);
    drawn.current = chart;
    const watch = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      chart.destroy();
      drawn.current = null;
    };
  }, [labels, hues, hasDots, format, top, theme]);
  // After the other: a chart that was just made has no data yet.
  useEffect(() => {
    drawn.current?.setData([times, ...lines.map((one) => one.values)] as uPlot.AlignedData);
  }, [times, lines, labels, hues, hasDots, format, top, theme]);
  return (
    <div>
      <div ref={place} role="img" aria-label={label} className="h-[132px] text-t3" />
      {lines.length > 1 && (
        <ul className="mt-1 flex flex-wrap gap-x-3 text-xs text-t2">
          {lines.map((one, index) => <li key={one.label} className="flex items-center gap-1.5"><svg aria-hidden="true" viewBox="0 0 8 8" className="size-2"><rect width="8" height="8" rx="2" fill={`oklch(0.62 0.15 ${hueOf(index, one.isBad)})`} /></svg>{one.label}</li>)}
        </ul>
      )}
    </div>
  );
}

/** Times of a day, or days when the window is longer than two. */
function clock(times: number[]) {
  const isLong = (times.at(-1) ?? 0) - (times[0] ?? 0) > 2 * 86_400;
  const two = (n: number) => String(n).padStart(2, "0");
  return (seconds: number) => {
    const at = new Date(seconds * 1000);
    return isLong ? `${two(at.getMonth() + 1)}-${two(at.getDate())}` : `${two(at.getHours())}:${two(at.getMinutes())}`;
  };
}
