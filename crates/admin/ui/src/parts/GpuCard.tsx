// One GPU: its memory by who holds it, and how busy, hot and hungry it is.
import type { Gpu } from "../api/types";
import { bytes, percent } from "../lib/format";
import { words } from "../strings";
import { Badge, type Tone } from "./basics";

/** Holders that are named; the rest is one. */
const HOLDERS_MAX = 4;
const FILLS = [
  "bg-[oklch(0.6_0.16_262)]", "bg-[oklch(0.68_0.12_200)]", "bg-[oklch(0.64_0.15_310)]", "bg-[oklch(0.72_0.13_150)]",
  "bg-[oklch(0.72_0.13_60)]", "bg-[oklch(0.66_0.16_0)]", "bg-[oklch(0.55_0.13_285)]", "bg-[oklch(0.7_0.11_110)]",
];
/** Degrees at which a core is warm, and hot. */
const WARM = 75;
const HOT = 85;

/** One colour for each holder on all of these GPUs, the largest first. */
export function coloursOf(gpus: readonly Gpu[]): ReadonlyMap<string, string> {
  const held = new Map<string, number>();
  for (const gpu of gpus) for (const [name, bytes] of heldOn(gpu)) held.set(name, (held.get(name) ?? 0) + bytes);
  const names = [...held].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name);
  return new Map(names.map((name, index) => [name, FILLS[index] ?? "bg-s5"]));
}

interface Holder { name: string; held: number; fill: string }

function heldOn(gpu: Gpu): Map<string, number> {
  const held = new Map<string, number>();
  for (const process of gpu.processes) {
    const name = process.service ?? process.container ?? process.name;
    held.set(name, (held.get(name) ?? 0) + (process.vram_bytes ?? 0));
  }
  return held;
}

export function holdersOf(gpu: Gpu, colours: ReadonlyMap<string, string>): Holder[] {
  const sorted = [...heldOn(gpu)].sort((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, HOLDERS_MAX).map(([name, bytes]) => ({ name, held: bytes, fill: colours.get(name) ?? "bg-s5" }));
  const rest = Math.max(0, (gpu.memory_used_bytes ?? 0) - named.reduce((sum, holder) => sum + holder.held, 0));
  return rest > (gpu.memory_total_bytes ?? 0) / 200 ? [...named, { name: words.dashboard.other, held: rest, fill: "bg-s5" }] : named;
}

export function GpuCard({ node, gpu, colours }: { node?: string; gpu: Gpu; colours: ReadonlyMap<string, string> }) {
  const total = gpu.memory_total_bytes ?? 0;
  const holders = holdersOf(gpu, colours);
  const heat: Tone = gpu.temperature == null ? "none" : gpu.temperature >= HOT ? "bad" : gpu.temperature >= WARM ? "warn" : "none";
  const used = total > 0 && gpu.memory_used_bytes != null ? gpu.memory_used_bytes / total : null;
  return (
    <article className="rounded-md border border-s4 p-3">
      <header className="flex items-center gap-2">
        <h3 className="min-w-0 truncate font-medium" title={gpu.name}>{gpu.name.replace(/^(NVIDIA|AMD|Intel) (GeForce )?/, "")}</h3>
        <span className="shrink-0 text-xs text-t3">{node ? `${node} · ` : ""}{gpu.index}</span>
        <span className="ml-auto flex gap-1">
          {gpu.lost && <Badge tone="bad">{words.servers.lost}</Badge>}
          {gpu.asleep && <Badge>{words.servers.asleep}</Badge>}
          {gpu.throttle?.slice(0, 1).map((why) => <Badge key={why} tone="warn">{why}</Badge>)}
          {gpu.temperature != null && <Badge tone={heat} title={words.servers.temperature}>{Math.round(gpu.temperature)} °C</Badge>}
        </span>
      </header>
      <div className="mt-2.5 flex justify-between text-xs"><span className="text-t3">{words.servers.vram}</span><span>{bytes(gpu.memory_used_bytes)} <span className="text-t3">/ {bytes(gpu.memory_total_bytes)}</span></span></div>
      <div role="meter" aria-label={`${gpu.name} ${gpu.index}: ${words.servers.vram}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round((used ?? 0) * 100)} className="mt-1 flex h-2.5 gap-px overflow-hidden rounded bg-s3">
        {total > 0 && holders.map((holder) => <span key={holder.name} title={`${holder.name}: ${bytes(holder.held)}`} className={holder.fill} style={{ width: `${(holder.held / total) * 100}%` }} />)}
      </div>
      {holders.length > 0 && (
        <ul className="mt-2 flex flex-wrap gap-x-3 gap-y-0.5 text-xs">
          {holders.map((holder) => <li key={holder.name} className="flex min-w-0 items-center gap-1.5"><span aria-hidden="true" className={`size-2 shrink-0 rounded-sm ${holder.fill}`} /><span className="truncate">{holder.name}</span><span className="whitespace-nowrap text-t3">{bytes(holder.held)}</span></li>)}
        </ul>
      )}
      <p className="mt-2 flex gap-4 text-xs text-t3">
        <span>{words.servers.utilization} <span className="text-t1">{percent(gpu.utilization)}</span></span>
        {gpu.power != null && <span>{words.servers.power} <span className="text-t1">{Math.round(gpu.power)} W</span>{gpu.power_limit != null && ` / ${Math.round(gpu.power_limit)} W`}</span>}
      </p>
    </article>
  );
}
