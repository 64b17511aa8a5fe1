// Registers a service, or edits one: judged while it is typed, previewed by the daemon on request.
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useMemo, useState } from "react";
import { afterChange, register } from "../api/acts";
import { ApiFailure } from "../api/client";
import { serviceQuery, servicesQuery, statusQuery } from "../api/queries";
import type { RegisterReply, Service } from "../api/types";
import { type Draft, problemsOf, TITLE_CHARS_MAX } from "../lib/validate";
import { changesOf, draftOf, EMPTY_DRAFT, hidesSecrets, wishOfDraft } from "../lib/wish";
import { Button, Failure, Field, IconButton } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { Icon } from "../parts/Icon";
import { toast } from "../store";
import { words } from "../strings";

const say = words.register;
/** As `conduit register --preset` knows them (docs/presets.md). */
const PRESETS = ["comfyui", "generic", "grafana", "jupyter", "llamacpp", "nim", "ollama", "open-webui", "postgres", "prometheus", "redis", "sglang", "tgi", "triton", "vllm"];
const PROTOCOLS = ["http", "https", "h2c", "tcp"];
/** Upstreams that the panel takes; a file takes more. */
const UPSTREAMS_MAX = 16;

/** `tag` is what the edited service had when it was read; `onReload` reads it again. */
interface Props { edited?: Service; tag?: string; onReload?: () => void; onClose: () => void }

export default function ServicePanel({ edited, tag, onReload, onClose }: Props) {
  const [draft, setDraft] = useState<Draft>(() => (edited ? draftOf(edited) : EMPTY_DRAFT));
  const [seen, setSeen] = useState<ReadonlySet<keyof Draft>>(new Set());
  const { data: services } = useQuery(servicesQuery);
  const { data: status } = useQuery(statusQuery);
  const navigate = useNavigate();
  const domains = useMemo(() => status?.domains ?? [], [status]);
  const taken = useMemo(() => new Set(edited ? [] : services?.services.filter((service) => service.status === "active").map((service) => service.name)), [services, edited]);
  const problems = useMemo(() => problemsOf(draft, taken, domains), [draft, taken, domains]);
  const shown = (key: keyof typeof problems) => (seen.has(key) ? problems[key] : undefined);

  const preview = useMutation({ mutationFn: () => register({ ...wishOfDraft(draft, edited), dry_run: true }, tag) });
  const submit = useMutation({
    mutationFn: () => register(wishOfDraft(draft, edited), tag),
    onSuccess: (reply) => {
      afterChange();
      onClose();
      const { name } = reply.service ?? draft;
      const hint = reply.fingerprint ? say.found(reply.fingerprint.preset, reply.fingerprint.evidence) : null;
      if (edited) toast("ok", reply.changed ? say.edited(name) : say.unchanged, { hint });
      else toast("ok", say.done(name), { hint, action: { label: say.view, act: () => void navigate({ to: "/services/$name", params: { name } }) } });
    },
  });
  const failure = preview.error ?? submit.error;
  const set = <K extends keyof Draft>(key: K, value: Draft[K]) => {
    setDraft((before) => ({ ...before, [key]: value }));
    preview.reset();
    submit.reset();
  };
  const leave = (key: keyof Draft) => () => setSeen((before) => new Set(before).add(key));
  const judged = (act: () => void) => {
    setSeen(new Set(Object.keys(draft) as (keyof Draft)[]));
    const first = Object.keys(problems)[0];
    if (first === undefined) act();
    else document.getElementById(first === "upstreams" ? "upstream-0" : first)?.focus();
  };
  const isLocked = edited !== undefined && hidesSecrets(edited);
  const host = draft.domain && !domains.includes(draft.domain) ? draft.domain : `${draft.name.trim().toLowerCase().replaceAll("_", "-") || "name"}.${draft.domain || (domains[0] ?? "internal")}`;
  const invalid = (key: keyof typeof problems) => ({ "aria-invalid": shown(key) !== undefined, "aria-describedby": `${key}-note` });

  return (
    <Dialog kind="panel" title={edited ? say.edit(edited.name) : say.title} onClose={onClose} footer={<>
      <Button look="quiet" onClick={() => judged(() => preview.mutate())} isBusy={preview.isPending} disabled={isLocked} className="mr-auto">{say.check}</Button>
      <Button onClick={onClose}>{words.cancel}</Button>
      <Button look="primary" type="submit" form="service" isBusy={submit.isPending} disabled={isLocked}>{edited ? say.submitEdit : say.submit}</Button>
    </>}>
      <form id="service" noValidate className="flex flex-col gap-4 px-5 py-4" onSubmit={(event: FormEvent) => { event.preventDefault(); judged(() => submit.mutate()); }}>
        {isLocked && <p role="alert" className="rounded-md bg-warn-soft px-3 py-2 text-warn">{say.policyHidden}</p>}
        <Field id="name" label={say.name} problem={shown("name")} hint={<>{say.nameHint("")}<span className="font-mono text-t2">{host}</span></>}>
          <input id="name" data-autofocus={!edited || undefined} disabled={edited !== undefined} className="field" value={draft.name} maxLength={80} spellCheck={false} autoCapitalize="none" autoComplete="off" placeholder="grafana"
            onChange={(event) => set("name", event.target.value)} onBlur={draft.name ? leave("name") : undefined} {...invalid("name")} />
        </Field>
        <Upstreams draft={draft} problem={shown("upstreams")} onChange={(upstreams) => set("upstreams", upstreams)} onLeave={leave("upstreams")} />
        <Field id="title" label={say.heading} optional problem={shown("title")} hint={say.headingHint}>
          <input id="title" className="field" value={draft.title} maxLength={TITLE_CHARS_MAX} autoComplete="off" onChange={(event) => set("title", event.target.value)} onBlur={leave("title")} {...invalid("title")} />
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field id="preset" label={say.preset} hint={say.presetHint}>
            <select id="preset" className="field" value={draft.preset} onChange={(event) => set("preset", event.target.value)}>
              <option value="">{say.presetNone}</option>
              <option value="auto">{say.presetAuto}</option>
              {PRESETS.map((preset) => <option key={preset}>{preset}</option>)}
            </select>
          </Field>
          <Field id="protocol" label={say.protocol}>
            <select id="protocol" className="field" value={draft.protocol} onChange={(event) => set("protocol", event.target.value)}>
              {!edited && <option value="">http</option>}
              {PROTOCOLS.filter((protocol) => protocol !== "http" || edited).map((protocol) => <option key={protocol}>{protocol}</option>)}
            </select>
          </Field>
        </div>
        <Field id="health" label={say.health} optional problem={shown("health")} hint={say.healthHint}>
          <input id="health" className="field font-mono" placeholder="/health" value={draft.health} spellCheck={false} autoComplete="off" disabled={draft.protocol === "tcp"} onChange={(event) => set("health", event.target.value)} onBlur={leave("health")} {...invalid("health")} />
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field id="domain" label={say.domain} optional problem={shown("domain")} hint={domains.join(", ")}>
            <input id="domain" className="field" list="domains" placeholder={domains[0]} value={draft.domain} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={(event) => set("domain", event.target.value)} onBlur={leave("domain")} {...invalid("domain")} />
            <datalist id="domains">{domains.map((domain) => <option key={domain} value={domain} />)}</datalist>
          </Field>
          <Field id="aliases" label={say.aliases} optional problem={shown("aliases")} hint={say.aliasesHint}>
            <input id="aliases" className="field" value={draft.aliases} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={(event) => set("aliases", event.target.value)} onBlur={leave("aliases")} {...invalid("aliases")} />
          </Field>
        </div>
        <label className="flex items-start gap-3">
          <input type="checkbox" className="mt-0.5 size-4 accent-accent-fill" checked={draft.tls && draft.protocol !== "tcp"} disabled={draft.protocol === "tcp"} onChange={(event) => set("tls", event.target.checked)} />
          <span><span className="block font-medium">{say.tls}</span><span className="text-xs text-t3">{say.tlsHint}</span></span>
        </label>
        {edited?.policy && Object.keys(edited.policy).some((key) => key !== "preset") && !isLocked && <p className="text-xs text-t3">{say.policyKept}</p>}
        {preview.data && <Preview reply={preview.data} />}
        {failure && (edited && onReload && isOvertaken(failure) ? <Overtaken edited={edited} onReload={onReload} /> : <Failure error={failure} />)}
      </form>
    </Dialog>
  );
}

const isOvertaken = (failure: Error) => failure instanceof ApiFailure && failure.code === "changed_meanwhile";

/** Somebody else was faster: what is not as it was read, and the way on. */
function Overtaken({ edited, onReload }: { edited: Service; onReload: () => void }) {
  const now = useQuery({ ...serviceQuery(edited.name), staleTime: 0 });
  const service = now.isFetching ? undefined : now.data?.service;
  return (
    <div role="alert" className="flex items-start gap-3 rounded-card border border-warn/40 bg-warn-soft p-3 text-warn">
      <Icon name="warn" className="mt-0.5 size-4" />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{say.overtaken(edited.name)}</p>
        {service && <p className="mt-0.5 break-words">{say.overtakenBy(changesOf(edited, service).map((key) => say.fields[key] ?? key))}</p>}
      </div>
      <Button small icon="refresh" onClick={onReload}>{say.beginAnew}</Button>
    </div>
  );
}

interface UpstreamsProps { draft: Draft; problem: string | undefined; onChange: (upstreams: string[]) => void; onLeave: () => void }

function Upstreams({ draft: { upstreams }, problem, onChange, onLeave }: UpstreamsProps) {
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className="label mb-1">{say.upstream}</legend>
      <div className="flex flex-col gap-2">
        {upstreams.map((upstream, index) => (
          <div key={index} className="flex items-center gap-1">
            <input id={`upstream-${index}`} className="field font-mono" aria-label={say.upstreamN(index + 1)} placeholder="10.0.1.50:3000" value={upstream} spellCheck={false} autoCapitalize="none" autoComplete="off" aria-invalid={problem !== undefined} aria-describedby="upstreams-note"
              onChange={(event) => onChange(upstreams.with(index, event.target.value))} onBlur={upstream ? onLeave : undefined} />
            {upstreams.length > 1 && <IconButton icon="close" label={say.remove} onClick={() => onChange(upstreams.filter((_, other) => other !== index))} />}
          </div>
        ))}
      </div>
      <div className="flex items-start justify-between gap-3">
        <p id="upstreams-note" aria-live="polite" className={`pt-1 text-xs ${problem ? "text-bad" : "text-t3"}`}>{problem ?? say.upstreamHint}</p>
        {upstreams.length < UPSTREAMS_MAX && <Button small look="quiet" icon="plus" onClick={() => onChange([...upstreams, ""])}>{say.add}</Button>}
      </div>
    </fieldset>
  );
}

function Preview({ reply }: { reply: RegisterReply }) {
  const verdict = reply.outcome === "created" ? say.isNew : reply.outcome === "unchanged" ? say.isUnchanged : say.isReplaced;
  const { service } = reply;
  return (
    <section role="status" aria-label={say.previewTitle} className="rounded-md border border-s4 bg-s2 p-3">
      <p className="flex items-center gap-2 font-medium"><Icon name="ok" className="size-4 text-ok" />{verdict}</p>
      {reply.fingerprint && <p className="mt-1 text-t2">{say.found(reply.fingerprint.preset, reply.fingerprint.evidence)}</p>}
      {service && (
        <dl className="mt-2 grid grid-cols-[max-content_1fr] gap-x-4 gap-y-1 text-xs">
          <dt className="text-t3">{say.wouldServe}</dt><dd className="font-mono break-all">{[service.url ?? service.domain, ...service.aliases].join(", ")}</dd>
          <dt className="text-t3">{say.wouldGo}</dt><dd className="font-mono break-all">{service.upstreams.join(", ")} ({service.protocol})</dd>
        </dl>
      )}
    </section>
  );
}
