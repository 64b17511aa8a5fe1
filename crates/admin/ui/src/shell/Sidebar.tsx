import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { signOut } from "../api/client";
import { nodesQuery, queryClient, statusQuery } from "../api/queries";
import { Menu } from "../parts/Menu";
import { Icon, Mark } from "../parts/Icon";
import { type Theme, toastFailure, useApp } from "../store";
import { words } from "../strings";
import { GROUPS, type View } from "./nav";

export function Sidebar({ onGo }: { onGo?: () => void }) {
  return (
    <header className="flex h-full flex-col gap-1 overflow-y-auto px-3 pt-3 pb-2">
      <Link to="/" onClick={onGo} className="mb-3 flex items-center gap-2.5 rounded-md px-2 py-1 text-base font-semibold tracking-tight">
        <Mark className="size-6" />{words.product}
      </Link>
      <nav aria-label={words.nav.label} className="flex flex-1 flex-col gap-4">
        {GROUPS.map((group) => (
          <div key={group.label}>
            <p className="px-2 pb-1 text-2xs font-medium text-t3">{group.label}</p>
            <ul className="flex flex-col gap-px">
              {group.views.map((view) => <li key={view.path}><Entry view={view} onGo={onGo} /></li>)}
            </ul>
          </div>
        ))}
      </nav>
      <Account />
    </header>
  );
}

function Entry({ view, onGo }: { view: View; onGo?: (() => void) | undefined }) {
  return (
    <Link to={view.path} activeOptions={{ exact: view.path === "/" }} onClick={onGo} aria-keyshortcuts={view.key}
      className="group flex h-8 items-center gap-2.5 rounded-md px-2 text-t2 hover:bg-s2 hover:text-t1"
      activeProps={{ className: "bg-accent-soft! text-t1! font-medium", "aria-current": "page" }}>
      <Icon name={view.icon} />
      <span className="flex-1">{view.label}</span>
      <Count view={view} />
      <span aria-hidden="true" className="hidden w-3 text-center text-2xs text-t3 lg:block">{view.key}</span>
    </Link>
  );
}

/** How much needs attention there. */
function Count({ view }: { view: View }) {
  const { data: status } = useQuery({ ...statusQuery, enabled: view.path === "/services" });
  const { data: nodes } = useQuery({ ...nodesQuery, enabled: view.path === "/servers" });
  const down = view.path === "/services" ? (status?.services.down ?? 0) : 0;
  const degraded = view.path === "/services" ? (status?.services.degraded ?? 0) : 0;
  const alerts = view.path === "/servers" ? (nodes?.alerts.filter((alert) => !alert.silenced) ?? []) : [];
  const isBad = down > 0 || alerts.some((alert) => alert.severity === "critical");
  const count = down + degraded + alerts.length;
  if (count === 0) return null;
  const what = alerts.length > 0 ? words.servers.alerts.toLowerCase() : `${down} ${words.dashboard.counts.down}, ${degraded} ${words.dashboard.counts.degraded}`;
  return <span title={what} className={`rounded px-1.5 text-xs font-medium ${isBad ? "bg-bad-soft text-bad" : "bg-warn-soft text-warn"}`}>{count}<span className="sr-only"> {what}</span></span>;
}

function Account() {
  const session = useApp((app) => app.session);
  const theme = useApp((app) => app.theme);
  const setTheme = useApp((app) => app.setTheme);
  const themed = (value: Theme, label: string, icon: "sun" | "moon" | "auto") => ({
    label, icon, act: () => setTheme(value), note: theme === value ? <Icon name="check" className="size-3.5" /> : undefined,
  });
  const isPerson = session?.way === "password" || session?.way === "passkey";
  const leave = () => void signOut().catch(toastFailure).finally(() => {
    useApp.getState().setSession(null);
    queryClient.clear();
  });
  return (
    <Menu label={words.account.label} side="top" items={[
      themed("auto", words.account.auto, "auto"), themed("light", words.account.light, "sun"), themed("dark", words.account.dark, "moon"), "line",
      { label: words.account.help, icon: "help", act: () => useApp.getState().open({ kind: "help" }) },
      ...(isPerson ? [{ label: words.account.password, icon: "key" as const, act: () => useApp.getState().open({ kind: "password" }) }, { label: words.account.passkeys, icon: "key" as const, act: () => useApp.getState().open({ kind: "passkeys" }) }] : []),
      { label: words.account.signOut, icon: "back", act: leave },
    ]}>
      <button type="button" className="mt-3 flex items-center gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-s2 data-[state=open]:bg-s2">
        <span className="flex size-7 items-center justify-center rounded-full bg-s3 text-t2"><Icon name="user" /></span>
        <span className="min-w-0 flex-1 leading-tight">
          <span className="block truncate font-medium">{session?.name}</span>
          <span className="block text-2xs text-t3">{session?.role}</span>
        </span>
        <Icon name="more" className="size-4 text-t3" />
      </button>
    </Menu>
  );
}
