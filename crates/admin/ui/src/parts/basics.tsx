// Small parts that every view is made of.
import { type ButtonHTMLAttributes, Fragment, type ReactNode, useEffect, useState } from "react";
import { ApiFailure } from "../api/client";
import { dateTime, pairs, relative } from "../lib/format";
import { words } from "../strings";
import { Icon, type IconName } from "./Icon";

type Look = "primary" | "plain" | "quiet" | "danger";
const LOOKS: Record<Look, string> = {
  primary: "bg-accent-fill text-white hover:bg-accent-hover border border-transparent",
  plain: "bg-s1 text-t1 border border-s5/60 hover:bg-s2",
  quiet: "text-t2 hover:bg-s2 hover:text-t1 border border-transparent",
  danger: "bg-s1 text-bad border border-bad/40 hover:bg-bad-soft",
};

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> { look?: Look; icon?: IconName; isBusy?: boolean; small?: boolean }

export function Button({ look = "plain", icon, isBusy, small, children, className = "", ...rest }: ButtonProps) {
  const size = small ? "h-7 px-2 text-xs gap-1" : "h-9 px-3 text-sm gap-1.5";
  return (
    <button type="button" {...rest} disabled={rest.disabled || isBusy} aria-busy={isBusy || undefined}
      className={`inline-flex items-center justify-center rounded-md font-medium whitespace-nowrap transition-colors disabled:opacity-50 ${size} ${LOOKS[look]} ${className}`}>
      {icon && <Icon name={icon} className={small ? "size-3.5" : "size-4"} />}
      {children}
    </button>
  );
}

/** A button that is only an icon; the label is for those who do not see it, and shows on hover. */
export function IconButton({ icon, label, className = "", ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { icon: IconName; label: string }) {
  return (
    <button type="button" aria-label={label} title={label} {...rest}
      className={`inline-flex size-8 items-center justify-center rounded-md text-t3 hover:bg-s2 hover:text-t1 transition-colors disabled:opacity-50 ${className}`}>
      <Icon name={icon} />
    </button>
  );
}

export type Tone = "ok" | "warn" | "bad" | "info" | "none";
const BADGES: Record<Tone, string> = {
  ok: "bg-ok-soft text-ok", warn: "bg-warn-soft text-warn", bad: "bg-bad-soft text-bad", info: "bg-accent-soft text-accent", none: "bg-s3 text-t2",
};
const DOTS: Record<Tone, string> = { ok: "bg-ok-fill", warn: "bg-warn-fill", bad: "bg-bad-fill", info: "bg-accent", none: "bg-s5" };

export function Badge({ tone = "none", children, title }: { tone?: Tone; children: ReactNode; title?: string | undefined }) {
  return <span title={title} className={`inline-flex h-5 items-center gap-1 rounded px-1.5 text-xs font-medium whitespace-nowrap ${BADGES[tone]}`}>{children}</span>;
}

/** Colour alone says nothing here: whoever shows a dot writes the word beside it or gives a label. */
export function Dot({ tone, label, className = "" }: { tone: Tone; label?: string; className?: string }) {
  return <span role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : true} className={`inline-block size-2 shrink-0 rounded-full ${DOTS[tone]} ${className}`} />;
}

const STATES: Record<string, Tone> = {
  healthy: "ok", degraded: "warn", down: "bad", unknown: "none", admitted: "ok", draining: "warn", ejected: "bad", unproven: "none",
  up: "ok", lost: "bad", waiting: "none", valid: "ok", expiring: "warn", expired: "bad", critical: "bad", warning: "warn", info: "info",
  running: "ok", exited: "bad", dead: "bad", restarting: "warn", paused: "warn",
};
export const toneOf = (state: string): Tone => STATES[state] ?? "none";

export function State({ state, title }: { state: string; title?: string | undefined }) {
  return <Badge tone={toneOf(state)} title={title}><Dot tone={toneOf(state)} className="size-1.5!" />{state}</Badge>;
}

/** A time in few words, that keeps itself true. */
export function Ago({ at, className }: { at: string | null | undefined; className?: string }) {
  const now = useNow(10_000);
  return <time dateTime={at ?? undefined} title={dateTime(at)} className={className}>{relative(at, now)}</time>;
}

export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return Math.max(now, Date.now() - everyMs);
}

export function Copy({ text, label, className = "" }: { text: string; label: string; className?: string }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    if (!(await copied(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <>
      <IconButton icon={isDone ? "check" : "copy"} label={label} onClick={() => void copy()} className={`size-7! ${isDone ? "text-ok!" : ""} ${className}`} />
      <span role="status" className="sr-only">{isDone ? words.copied : ""}</span>
    </>
  );
}

/** Over plain HTTP, which a tunnel may be, there is no clipboard API. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    return isCopied;
  }
}

/** A fingerprint that breaks between its bytes, and is copied without breaks. */
export function Fingerprint({ hex }: { hex: string }) {
  return <span className="font-mono text-xs leading-5">{pairs(hex).map((pair, index) => <Fragment key={index}>{index > 0 && <>:<wbr /></>}{pair}</Fragment>)}</span>;
}

/** A command or another text to take along. */
export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <div className="flex items-start gap-1 rounded-md border border-s4 bg-s2 pl-3 pr-1 py-1">
      <pre tabIndex={0} className="flex-1 overflow-x-auto py-1 font-mono text-xs leading-5 text-t1" aria-label={label}>{text}</pre>
      <Copy text={text} label={`${words.copy}: ${label}`} />
    </div>
  );
}

export function Card({ title, aside, children, className = "", bare }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string; bare?: boolean }) {
  return (
    <section className={`card min-w-0 ${className}`}>
      {title !== undefined && (
        <header className="flex min-h-11 items-center justify-between gap-3 px-4 pt-1">
          <h2 className="text-sm font-semibold">{title}</h2>
          {aside}
        </header>
      )}
      <div className={bare ? "" : title === undefined ? "p-4" : "px-4 pb-4 pt-1"}>{children}</div>
    </section>
  );
}

export function Meter({ share, label, tone, className = "" }: { share: number | null | undefined; label: string; tone?: Tone; className?: string }) {
  const value = share == null ? 0 : Math.min(1, Math.max(0, share));
  const shown = tone ?? (value > 0.9 ? "bad" : value > 0.75 ? "warn" : "info");
  return (
    <div role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(value * 100)} className={`h-1.5 overflow-hidden rounded-full bg-s3 ${className}`}>
      <div className={`h-full rounded-full ${DOTS[shown]}`} style={{ width: `${value * 100}%` }} />
    </div>
  );
}

export function Empty({ icon, title, text, children }: { icon: IconName; title: string; text: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-14 text-center">
      <span className="mb-1 flex size-10 items-center justify-center rounded-card border border-s4 bg-s2 text-t3"><Icon name={icon} className="size-5" /></span>
      <p className="text-base font-semibold">{title}</p>
      <p className="max-w-md text-t2">{text}</p>
      {children && <div className="mt-3 flex flex-wrap justify-center gap-2">{children}</div>}
    </div>
  );
}

export function Failure({ error, retry, className = "" }: { error: unknown; retry?: (() => void) | undefined; className?: string }) {
  const failure = error instanceof ApiFailure ? error : null;
  return (
    <div role="alert" className={`flex items-start gap-3 rounded-card border border-bad/40 bg-bad-soft p-3 ${className}`}>
      <Icon name="bad" className="mt-0.5 size-4 text-bad" />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{failure?.message ?? words.failures.unknown}</p>
        {failure?.hint && <p className="mt-0.5 text-t2 break-words">{failure.hint}</p>}
      </div>
      {retry && <Button small onClick={retry} icon="refresh">{words.retry}</Button>}
    </div>
  );
}

export function Skeleton({ rows = 4, className = "" }: { rows?: number; className?: string }) {
  return (
    <div role="status" aria-label={words.loading} className={`flex flex-col gap-3 ${className}`}>
      {Array.from({ length: rows }, (_, row) => <div key={row} className={`skeleton h-5 ${row % 3 === 2 ? "w-2/3" : "w-full"}`} />)}
    </div>
  );
}

interface Asked { isPending: boolean; error: unknown; data: unknown; refetch: () => unknown }

/** What to show while there is nothing to show yet. */
export function pendingPart(query: Asked, rows = 6): ReactNode | null {
  if (query.data !== undefined) return null;
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} className="m-4" />;
  return query.isPending ? <Skeleton rows={rows} className="p-4" /> : null;
}

export function Facts({ facts, className = "" }: { facts: [label: string, value: ReactNode][]; className?: string }) {
  return (
    <dl className={`grid grid-cols-[max-content_1fr] gap-x-6 gap-y-2 ${className}`}>
      {facts.map(([label, value]) => (
        <div key={label} className="contents">
          <dt className="text-t3">{label}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Segments<T extends string>({ label, value, options, onChange }: { label: string; value: T; options: { value: T; label: ReactNode; hint?: string }[]; onChange: (value: T) => void }) {
  return (
    <div role="group" aria-label={label} className="inline-flex h-9 max-w-full overflow-x-auto rounded-md border border-s4 bg-s2 p-0.5">
      {options.map((option) => (
        <button key={option.value} type="button" aria-pressed={option.value === value} aria-label={option.hint} title={option.hint} onClick={() => onChange(option.value)}
          className={`inline-flex items-center gap-1.5 rounded px-2.5 text-xs font-medium whitespace-nowrap ${option.value === value ? "bg-s1 text-t1 shadow-xs border border-s4" : "text-t2 hover:text-t1 border border-transparent"}`}>
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function SearchField({ value, onChange, label }: { value: string; onChange: (value: string) => void; label: string }) {
  return (
    <div className="relative min-w-48 flex-1 sm:max-w-xs">
      <Icon name="search" className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-t3" />
      <input type="search" data-search aria-label={label} placeholder={label} value={value} onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          if (value) onChange("");
          else event.currentTarget.blur();
        }} className="field pl-8" spellCheck={false} autoComplete="off" />
    </div>
  );
}

export function Field({ label, id, problem, hint, children, optional }: { label: string; id: string; problem?: string | undefined; hint?: ReactNode; children: ReactNode; optional?: boolean }) {
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="label">{label}{optional && <span className="ml-1.5 font-normal text-t3">{words.optional}</span>}</label>
      {children}
      <p id={`${id}-note`} className={`text-xs ${problem ? "text-bad" : "text-t3"}`} aria-live="polite">{problem ?? hint}</p>
    </div>
  );
}
