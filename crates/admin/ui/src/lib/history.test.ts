import { describe, expect, it } from "vitest";
import type { History } from "../api/types";
import { together } from "./history";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const answer = (metric: string, points: [number, number][]): History => ({
  node: "here", metric, unit: "per_second", from: at(0), to: at(1000), step_seconds: 10,
  series: points.length === 0 ? [] : [{ subject: "web", points: points.map(([time, mean]) => ({ at: at(time), mean, min: mean, max: mean })) }],
});

describe("several numbers of one service", () => {
  it("share their times, and are zero where nothing went through", () => {
    const drawn = together([answer("service_requests", [[500, 4], [510, 6]]), answer("service_5xx", [[510, 1]])], true);
    expect(drawn.times).toEqual([0, 490, 500, 510, 520, 1000]);
    expect(drawn.lines).toEqual([{ metric: "service_requests", values: [0, 0, 4, 6, 0, 0] }, { metric: "service_5xx", values: [0, 0, null, 1, 0, 0] }]);
  });

  it("have no value in a gap when they are no rates", () => {
    const drawn = together([answer("service_took", [[100, 0.2], [200, 0.4]])], false);
    expect(drawn.times).toEqual([0, 90, 100, 110, 190, 200, 210, 1000]);
    expect(drawn.lines[0]?.values).toEqual([null, null, 0.2, null, null, 0.4, null, null]);
  });

  it("are nothing when nothing is known", () => {
    expect(together([answer("service_requests", [])], true)).toEqual({ times: [], lines: [] });
    expect(together([], true).times).toEqual([]);
  });
});
