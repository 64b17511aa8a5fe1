import { Button, IconButton } from "../parts/basics";
import { Icon } from "../parts/Icon";
import { type Toast, useApp } from "../store";
import { words } from "../strings";

const ICONS = { ok: "ok", bad: "bad", info: "bell" } as const;
const COLOURS = { ok: "text-ok", bad: "text-bad", info: "text-accent" } as const;

/** What just happened; a live region that is always there, so that it is read aloud. */
export function Toasts() {
  const toasts = useApp((app) => app.toasts);
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed bottom-11 left-1/2 z-50 flex w-[min(24rem,calc(100vw-2rem))] -translate-x-1/2 flex-col gap-2">
      {toasts.map((toast) => <One key={toast.id} toast={toast} />)}
    </div>
  );
}

function One({ toast }: { toast: Toast }) {
  const dismiss = useApp((app) => app.dismiss);
  const { action } = toast;
  return (
    <div className="toast pointer-events-auto flex items-start gap-2.5 rounded-card border border-s4 bg-s1 py-2 pr-2 pl-3 shadow-lift">
      <Icon name={ICONS[toast.tone]} className={`mt-1.5 size-4 ${COLOURS[toast.tone]}`} />
      <div className="min-w-0 flex-1 py-1">
        <p className="break-words">{toast.text}</p>
        {toast.hint && <p className="mt-0.5 text-xs break-words text-t2">{toast.hint}</p>}
      </div>
      {action && <Button small className="mt-0.5" onClick={() => { dismiss(toast.id); action.act(); }}>{action.label}</Button>}
      <IconButton icon="close" label={words.close} className="size-7!" onClick={() => dismiss(toast.id)} />
    </div>
  );
}
