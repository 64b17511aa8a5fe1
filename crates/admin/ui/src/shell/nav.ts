// The views, in the order and the groups of the navigation.
import type { IconName } from "../parts/Icon";
import { VIEW_KEYS } from "../lib/keys";
import { words } from "../strings";

export interface View { path: "/" | "/services" | "/routing" | "/dns" | "/tls" | "/servers" | "/audit" | "/settings"; label: string; icon: IconName; key: string }

const view = (path: View["path"], label: string, icon: IconName): View => ({
  path, label, icon, key: Object.entries(VIEW_KEYS).find(([, to]) => to === path)?.[0] ?? "",
});

export const GROUPS: { label: string; views: View[] }[] = [
  { label: words.nav.overview, views: [view("/", words.views.dashboard, "dashboard")] },
  {
    label: words.nav.services,
    views: [view("/services", words.views.services, "services"), view("/routing", words.views.routing, "routing"), view("/dns", words.views.dns, "dns"), view("/tls", words.views.tls, "tls")],
  },
  {
    label: words.nav.infrastructure,
    views: [view("/servers", words.views.servers, "servers"), view("/audit", words.views.audit, "audit"), view("/settings", words.views.settings, "settings")],
  },
];

export const VIEWS = GROUPS.flatMap((group) => group.views);
