import { VIEW_KEYS } from "../lib/keys";
import { Dialog } from "../parts/Dialog";
import { useApp } from "../store";
import { words } from "../strings";
import { VIEWS } from "./nav";

export function Help() {
  const close = useApp((app) => app.close);
  const others: [string, string[]][] = [
    [words.help.search, ["/"]], [words.help.palette, ["Ctrl", "K"]], [words.help.escape, ["Esc"]], [words.help.help, ["?"]],
  ];
  return (
    <Dialog title={words.help.title} onClose={close}>
      <div className="grid gap-x-8 gap-y-4 px-5 py-4 sm:grid-cols-2">
        <dl className="flex flex-col gap-2">
          {Object.entries(VIEW_KEYS).map(([key, path]) => (
            <div key={key} className="flex items-center justify-between"><dt>{VIEWS.find((view) => view.path === path)?.label}</dt><dd><kbd>{key}</kbd></dd></div>
          ))}
        </dl>
        <dl className="flex flex-col gap-2">
          {others.map(([what, keys]) => (
            <div key={what} className="flex items-center justify-between gap-3"><dt>{what}</dt><dd className="flex gap-1">{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dd></div>
          ))}
        </dl>
      </div>
      <p className="border-t border-s4 px-5 py-3 text-xs text-t3">{words.help.note}</p>
    </Dialog>
  );
}
