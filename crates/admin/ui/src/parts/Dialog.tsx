// Panels and dialogs: the browser's own, which traps focus, closes on Esc and gives the focus back.
import { type ReactNode, useEffect, useRef } from "react";
import { words } from "../strings";
import { Button, IconButton } from "./basics";

interface Props { title: string; onClose: () => void; children: ReactNode; footer?: ReactNode; kind?: "panel" | "modal"; hideTitle?: boolean }

export function Dialog({ title, onClose, children, footer, kind = "modal", hideTitle }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element && !element.open) {
      element.showModal();
      element.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    }
    return () => element?.close();
  }, []);
  const place = kind === "panel"
    ? "panel fixed inset-y-0 right-0 left-auto m-0 h-dvh w-full max-w-lg border-l"
    : "modal mx-auto mt-[10vh] mb-0 w-[calc(100%-2rem)] max-w-lg max-h-[80dvh] rounded-card border";
  return (
    <dialog ref={dialog} aria-label={title} onCancel={(event) => { event.preventDefault(); onClose(); }}
      onPointerDown={(event) => { if (event.target === event.currentTarget) onClose(); }}
      className={`border-s4 p-0 text-t1 shadow-lift ${place}`}>
      <div className={`flex flex-col bg-s1 ${kind === "panel" ? "h-full" : "max-h-[80dvh] rounded-card"}`}>
        {!hideTitle && (
          <header className="flex shrink-0 items-center justify-between gap-3 border-b border-s4 py-2.5 pr-2.5 pl-5">
            <h2 className="text-base font-semibold">{title}</h2>
            <IconButton icon="close" label={words.close} onClick={onClose} />
          </header>
        )}
        <div className="min-h-0 flex-1 overflow-y-auto">{children}</div>
        {footer && <footer className="flex shrink-0 flex-wrap items-center justify-end gap-2 border-t border-s4 px-5 py-3">{footer}</footer>}
      </div>
    </dialog>
  );
}

interface ConfirmProps { title: string; text: ReactNode; action: string; danger?: boolean; isBusy?: boolean; onConfirm: () => void; onClose: () => void }

export function Confirm({ title, text, action, danger, isBusy, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose} footer={<>
      <Button onClick={onClose}>{words.cancel}</Button>
      <Button look={danger ? "danger" : "primary"} isBusy={isBusy ?? false} onClick={onConfirm}>{action}</Button>
    </>}>
      <div className="px-5 py-4 text-t2">{text}</div>
    </Dialog>
  );
}
