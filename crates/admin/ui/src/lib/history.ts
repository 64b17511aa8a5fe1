// Several numbers of one service over one time, for one chart.
import type { History } from "../api/types";

export interface Together { times: number[]; lines: { metric: string; values: (number | null)[] }[] }

/** How many steps without a sample are a gap. */
const GAP_STEPS = 3;

/**
 * One list of times for all of them. Nothing is kept while nothing goes through: with `isRate` a gap is a zero,
 * else there is no value.
 */
export function together(answers: History[], isRate: boolean): Together {
  const [first] = answers;
  const seconds = (at: string) => Math.round(Date.parse(at) / 1000);
  const maps = answers.map((answer) => new Map(answer.series.flatMap((series) => series.points.map((point) => [seconds(point.at), point.mean] as const))));
  const found = [...new Set(maps.flatMap((map) => [...map.keys()]))].sort((a, b) => a - b);
  if (!first || found.length === 0) return { times: [], lines: [] };
  const step = Math.max(1, Math.round(first.step_seconds));
  const edges = new Set<number>();
  const bounded = [seconds(first.from), ...found, seconds(first.to)];
  bounded.forEach((time, index) => {
    const before = bounded[index - 1];
    if (before === undefined || time - before <= step * GAP_STEPS) return;
    if (index > 1) edges.add(before + step);
    else edges.add(before);
    edges.add(index < bounded.length - 1 ? time - step : time);
  });
  const times = [...new Set([...found, ...edges])].sort((a, b) => a - b);
  const value = (map: Map<number, number>, time: number) => map.get(time) ?? (isRate && edges.has(time) ? 0 : null);
  return { times, lines: answers.map((answer, index) => ({ metric: answer.metric, values: times.map((time) => value(maps[index] ?? new Map(), time)) })) };
}
