// What goes through now: kept beside the answers, since it is counted and not asked for.
import { create } from "zustand";
import { get } from "./api/client";
import { begun, type Counted, type Flow, moved, NO_FLOW } from "./lib/traffic";

export const useTraffic = create<Flow>(() => NO_FLOW);

/** Asks for the counts that rates begin from. */
export async function beginTraffic(signal: AbortSignal): Promise<void> {
  const list = await get<Counted>("/traffic", signal);
  useTraffic.setState((flow) => begun(list, flow), true);
}

/** Takes an event's data. */
export function takeTraffic(data: string): void {
  const event = JSON.parse(data) as Counted;
  useTraffic.setState((flow) => moved(flow, event, Date.now() / 1000), true);
}
