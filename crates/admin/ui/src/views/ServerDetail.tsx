import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { part, remove } from "../api/client";
import { nodesQuery, queryClient } from "../api/queries";
import type { Container, GpuProcess, MachineNode } from "../api/types";
import History from "../charts/History";
import { bytes, duration, percent } from "../lib/format";
import { Ago, Badge, Button, Card, Dot, Facts, Meter, pendingPart, Segments, State, toneOf } from "../parts/basics";
import { Confirm } from "../parts/Dialog";
import { coloursOf, GpuCard } from "../parts/GpuCard";
import { Icon } from "../parts/Icon";
import { type Column, Rows } from "../parts/Rows";
import { NotFound } from "../router";
import { Page } from "../shell/Shell";
import { toast, toastFailure, useApp, useMay } from "../store";
import { words } from "../strings";
import { fullest, Share } from "./Servers";

const say = words.servers;
const WINDOWS = [1, 6, 24, 168, 720];

export default function ServerDetail() {
  const { name } = useParams({ from: "/servers/$name" });
  const query = useQuery(nodesQuery);
  const node = query.data?.nodes.find((node) => node.name === name);
  if (query.data && !node) return <NotFound />;
  if (!node) return <Page title={name}><div className="card">{pendingPart(query, 8)}</div></Page>;
  return <Detail node={node} />;
}

function Detail({ node }: { node: MachineNode }) {
  const navigate = useNavigate();
  const [isLeaving, setLeaving] = useState(false);
  const isOperator = useMay("change");
  const leave = useMutation({
    mutationFn: () => remove(`/nodes/${part(node.name)}`),
    onSuccess: () => {
      toast("ok", say.removed(node.name));
      void queryClient.invalidateQueries({ queryKey: ["nodes"] });
      void navigate({ to: "/servers" });
    },
    onError: toastFailure,
    onSettled: () => setLeaving(false),
  });
  const { host, gpus } = node;
  const disk = fullest(node);
  return (
    <Page title={node.name} note={<span className="flex items-center gap-3"><State state={node.state} />{node.address ?? say.local}</span>}
      actions={isOperator && node.origin === "added" && <Button look="danger" onClick={() => setLeaving(true)}>{say.remove}</Button>}>
      <Link to="/servers" className="-mt-2 flex w-fit items-center gap-1 text-xs text-t3 hover:text-t1"><Icon name="back" className="size-3.5" />{words.views.servers}</Link>
      {host && (
        <dl className="card grid grid-cols-2 gap-6 p-4 md:grid-cols-4">
          <Share label={say.cpu} share={host.cpu} note={host.load ? `${say.load} ${host.load.map((load) => load.toFixed(1)).join("  ")}` : say.cores(host.cores)} name={node.name} />
          <Share label={say.memory} share={host.memory.total_bytes ? host.memory.used_bytes / host.memory.total_bytes : null} note={`${bytes(host.memory.used_bytes)} / ${bytes(host.memory.total_bytes)}`} name={node.name} />
          <Share label={say.disk} share={disk ? disk.used_bytes / disk.total_bytes : null} note={disk ? `${disk.mount_point}, ${bytes(disk.total_bytes - disk.used_bytes)} ${words.dashboard.free}` : ""} name={node.name} />
          <div className="min-w-0"><dt className="text-xs text-t3">{say.uptime}</dt><dd className="text-lg font-semibold tracking-tight">{duration(host.uptime_seconds)}</dd><dd className="mt-3.5 truncate text-xs text-t3">{host.kernel}</dd></div>
        </dl>
      )}
      {gpus && gpus.gpus.length > 0 && <Card title={say.gpus} aside={gpus.driver && <span className="text-xs text-t3">{gpus.driver}</span>}><div className="grid grid-cols-[repeat(auto-fill,minmax(min(20rem,100%),1fr))] gap-3">{gpus.gpus.map((gpu) => <GpuCard key={gpu.id} gpu={gpu} colours={coloursOf(gpus.gpus)} />)}</div><Processes processes={gpus.gpus.flatMap((gpu) => gpu.processes.map((process) => ({ ...process, gpu: gpu.index })))} /></Card>}
      <Charts node={node} />
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-2">
        {node.containers && <Containers node={node} containers={node.containers.containers} leftOut={node.containers.left_out} engine={node.containers.engine} />}
        {host && host.file_systems.length > 0 && (
          <Card title={say.fileSystems}>
            <ul className="flex flex-col gap-3">
              {host.file_systems.map((fs) => (
                <li key={fs.mount_point}>
                  <p className="flex gap-2"><span className="truncate font-mono">{fs.mount_point}</span><span className="truncate text-t3">{fs.type}</span><span className="ml-auto whitespace-nowrap">{bytes(fs.used_bytes)} <span className="text-t3">/ {bytes(fs.total_bytes)}</span></span></p>
                  <Meter share={fs.total_bytes ? fs.used_bytes / fs.total_bytes : 0} label={fs.mount_point} className="mt-1" />
                </li>
              ))}
            </ul>
          </Card>
        )}
        <Card title={say.sources}>
          <Facts facts={node.sources.map((source) => [source.kind, source.error ? <span key="e" className={source.absent ? "text-t3" : "text-bad"}>{source.error}</span> : <span key="o" className="flex items-center gap-2"><Dot tone="ok" label={words.yes} /><Ago at={source.read_at} />{source.problems.length > 0 && <span className="text-warn">{source.problems.join("; ")}</span>}</span>])} />
        </Card>
      </div>
      {isLeaving && <Confirm danger title={say.removeTitle(node.name)} text={say.removeText} action={say.remove} isBusy={leave.isPending} onConfirm={() => leave.mutate()} onClose={() => setLeaving(false)} />}
    </Page>
  );
}

function Charts({ node }: { node: MachineNode }) {
  const [hours, setHours] = useState(6);
  const hasGpus = (node.gpus?.gpus.length ?? 0) > 0;
  const metrics: [string, string][] = [["cpu", say.cpu], ["memory", say.memory], ...(hasGpus ? [["gpu_utilization", `GPU: ${say.utilization.toLowerCase()}`], ["gpu_memory_used", say.vram], ["gpu_temperature", `GPU: ${say.temperature.toLowerCase()}`], ["gpu_power", `GPU: ${say.power.toLowerCase()}`]] as [string, string][] : []), ["disk", say.disk], ["load_per_core", say.load]];
  return (
    <section aria-label={say.history} className="flex flex-col gap-3">
      <div className="flex items-center justify-between"><h2 className="font-semibold">{say.history}</h2><Segments label={say.window} value={String(hours)} onChange={(value) => setHours(Number(value))} options={WINDOWS.map((hours) => ({ value: String(hours), label: say.hours(hours) }))} /></div>
      <div className="grid grid-cols-[repeat(auto-fill,minmax(min(24rem,100%),1fr))] gap-3">
        {metrics.map(([metric, title]) => <History key={metric} node={node.name} metric={metric} title={title} hours={hours} />)}
      </div>
    </section>
  );
}

function Processes({ processes }: { processes: (GpuProcess & { gpu: number })[] }) {
  if (processes.length === 0) return null;
  const columns: Column<GpuProcess & { gpu: number }>[] = [
    { key: "program", label: say.program, width: 1.5, cell: (process) => <span className="block truncate font-medium">{process.name} <span className="text-t3">{process.pid}</span></span> },
    { key: "for", label: words.services.service, width: 1, cell: (process) => <span className="block truncate text-t2">{process.service ?? process.container ?? "–"}</span> },
    { key: "gpu", label: "GPU", width: "4rem", end: true, cell: (process) => process.gpu },
    { key: "vram", label: say.vram, width: "7rem", end: true, cell: (process) => bytes(process.vram_bytes) },
  ];
  return <div className="-mx-4 mt-3 -mb-4 border-t border-s4"><Rows label={say.processes} items={[...processes].sort((a, b) => (b.vram_bytes ?? 0) - (a.vram_bytes ?? 0))} columns={columns} keyOf={(process) => `${process.gpu} ${process.pid}`} rowHeight={36} /></div>;
}

function Containers({ node, containers, leftOut, engine }: { node: MachineNode; containers: Container[]; leftOut: number; engine: string }) {
  const open = useApp((app) => app.open);
  // Only the gateway's own engine is asked for logs.
  const isHere = node.address === null;
  const columns: Column<Container>[] = [
    { key: "name", label: say.container, width: 1.4, cell: (container) => isHere
      ? <button type="button" className="block max-w-full min-w-0 truncate font-medium hover:text-accent" title={`${say.logOf(container.name)} (${container.image})`} onClick={() => open({ kind: "containerLog", name: container.name })}>{container.name}</button>
      : <span className="block min-w-0 truncate font-medium" title={container.image}>{container.name}</span> },
    { key: "state", label: say.state, width: "7.5rem", cell: (container) => <Badge tone={container.health === "unhealthy" ? "bad" : toneOf(container.state)}>{container.health ?? container.state}</Badge> },
    { key: "cpu", label: say.cpu, width: "4.5rem", end: true, hide: "sm", cell: (container) => percent(container.cpu) },
    { key: "memory", label: say.memory, width: "6rem", end: true, hide: "sm", cell: (container) => bytes(container.memory_bytes) },
    { key: "restarts", label: say.restarts, width: "5rem", end: true, hide: "md", cell: (container) => container.restarts ?? "–" },
  ];
  return <Card title={say.containers} aside={<span className="text-xs text-t3">{engine}{leftOut > 0 && ` · ${say.leftOut(leftOut)}`}</span>} bare><Rows label={say.containers} items={containers} columns={columns} keyOf={(container) => container.id} rowHeight={36} /></Card>;
}
