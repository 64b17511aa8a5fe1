// The views by their paths. The daemon answers the page for the same paths (VIEWS in src/ui.rs).
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link } from "@tanstack/react-router";
import { later } from "./lib/code";
import { Button, Empty, Failure, Skeleton } from "./parts/basics";
import { Page, Shell } from "./shell/Shell";
import { words } from "./strings";
import Dashboard from "./views/Dashboard";

export interface ServicesSearch { q?: string; state?: "healthy" | "degraded" | "down" | "unknown"; view?: "table"; sort?: "name" | "time" }
const TABS = ["alerts", "rules", "silences", "channels"] as const;
const DNS_TABS = ["sources", "queries", "forwarders"] as const;
export interface DnsSearch { tab?: (typeof DNS_TABS)[number] }
export interface ServersSearch { tab?: (typeof TABS)[number] }

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const dashboard = createRoute({ getParentRoute: () => root, path: "/", component: Dashboard });
const services = createRoute({
  getParentRoute: () => root, path: "/services", component: lazyRouteComponent(later(() => import("./views/Services"))),
  validateSearch: (search: Record<string, unknown>): ServicesSearch => ({
    ...(typeof search.q === "string" && search.q ? { q: search.q } : {}),
    ...(["healthy", "degraded", "down", "unknown"].includes(String(search.state)) ? { state: search.state as NonNullable<ServicesSearch["state"]> } : {}),
    ...(search.view === "table" ? { view: "table" as const } : {}),
    ...(search.sort === "name" || search.sort === "time" ? { sort: search.sort } : {}),
  }),
});
const service = createRoute({ getParentRoute: () => root, path: "/services/$name", component: lazyRouteComponent(later(() => import("./views/ServiceDetail"))) });
const routing = createRoute({ getParentRoute: () => root, path: "/routing", component: lazyRouteComponent(later(() => import("./views/Routing"))) });
const dns = createRoute({
  getParentRoute: () => root, path: "/dns", component: lazyRouteComponent(later(() => import("./views/Dns"))),
  validateSearch: (search: Record<string, unknown>): DnsSearch =>
    DNS_TABS.some((tab) => tab === search.tab) ? { tab: search.tab as (typeof DNS_TABS)[number] } : {},
});
const tls = createRoute({ getParentRoute: () => root, path: "/tls", component: lazyRouteComponent(later(() => import("./views/Tls"))) });
const servers = createRoute({
  getParentRoute: () => root, path: "/servers", component: lazyRouteComponent(later(() => import("./views/Servers"))),
  validateSearch: (search: Record<string, unknown>): ServersSearch =>
    TABS.some((tab) => tab === search.tab) ? { tab: search.tab as (typeof TABS)[number] } : {},
});
const server = createRoute({ getParentRoute: () => root, path: "/servers/$name", component: lazyRouteComponent(later(() => import("./views/ServerDetail"))) });
const audit = createRoute({ getParentRoute: () => root, path: "/audit", component: lazyRouteComponent(later(() => import("./views/Audit"))) });
const settings = createRoute({ getParentRoute: () => root, path: "/settings", component: lazyRouteComponent(later(() => import("./views/Settings"))) });

export const router = createRouter({
  routeTree: root.addChildren([dashboard, services, service, routing, dns, tls, servers, server, audit, settings]),
  defaultPreload: "intent",
  defaultPendingComponent: () => <Skeleton className="p-6" rows={8} />,
  defaultErrorComponent: ({ error }) => (
    <Page title={words.failures.crashed}>
      <Failure error={error} />
      <div><Button onClick={() => location.reload()} icon="refresh">{words.failures.reload}</Button></div>
    </Page>
  ),
});

declare module "@tanstack/react-router" {
  interface Register { router: typeof router }
}

export function NotFound() {
  return (
    <Page title={words.failures.notFound}>
      <div className="card"><Empty icon="search" title={words.failures.notFound} text={words.failures.notFoundText}><Link to="/" className="text-accent hover:underline">{words.views.dashboard}</Link></Empty></div>
    </Page>
  );
}
