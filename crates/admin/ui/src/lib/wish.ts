// From a service to the wish that registers it again.
import type { RegisterService, Service } from "../api/types";
import { aliasesOf, type Draft } from "./validate";

/** What stands for a secret that the reader may not see; it cannot be sent back. */
const HIDDEN = "(hidden)";

export const hidesSecrets = (service: Service) => JSON.stringify(service.policy ?? {}).includes(HIDDEN);

export function wishOf(service: Service): RegisterService {
  const wish: RegisterService = { name: service.name, upstreams: service.upstreams, domain: service.domain, protocol: service.protocol, tls: service.tls !== null, dns: service.dns, when_all_ejected: service.when_all_ejected };
  if (service.title) wish.title = service.title;
  if (service.aliases.length > 0) wish.aliases = service.aliases;
  if (service.health_check !== null) wish.health = service.health_check;
  if (service.policy && Object.keys(service.policy).length > 0) wish.policy = service.policy;
  const { type, container_name, ssh_host } = service.monitoring;
  if (type ?? container_name ?? ssh_host) wish.monitoring = service.monitoring;
  return wish;
}

/** The keys of a registration in which two readings of a service differ. */
export function changesOf(before: Service, now: Service): string[] {
  const written = (service: Service) => new Map(Object.entries(wishOf(service)).map(([key, value]) => [key, JSON.stringify(value)]));
  const [old, fresh] = [written(before), written(now)];
  return [...new Set([...old.keys(), ...fresh.keys()])].filter((key) => old.get(key) !== fresh.get(key));
}

export const EMPTY_DRAFT: Draft = { name: "", title: "", upstreams: [""], domain: "", aliases: "", protocol: "", health: "", preset: "", tls: true };

export function draftOf(service: Service): Draft {
  const preset = service.policy?.preset;
  return {
    name: service.name, title: service.title ?? "", upstreams: service.upstreams.length > 0 ? service.upstreams : [""], domain: service.domain, aliases: service.aliases.join(" "), protocol: service.protocol,
    health: service.health_check ?? "", preset: typeof preset === "string" ? preset : "", tls: service.tls !== null,
  };
}

/** What a draft asks for; an edited service keeps what the draft does not show. */
export function wishOfDraft(draft: Draft, edited?: Service): RegisterService {
  const base: Partial<RegisterService> = edited ? wishOf(edited) : {};
  const wish: RegisterService = { ...base, name: draft.name.trim(), upstreams: draft.upstreams.map((text) => text.trim()).filter((text) => text !== "") };
  const put = <K extends keyof RegisterService>(key: K, value: RegisterService[K] | undefined) => {
    if (value === undefined) delete wish[key];
    else wish[key] = value;
  };
  const aliases = aliasesOf(draft.aliases);
  put("title", draft.title.trim() || undefined);
  put("domain", draft.domain.trim() || undefined);
  put("aliases", aliases.length > 0 ? aliases : undefined);
  put("protocol", draft.protocol || undefined);
  put("health", draft.health.trim() || undefined);
  put("tls", draft.protocol === "tcp" && !edited ? undefined : draft.tls);
  // How names answer follows from protocol and TLS again once one of them is another.
  if (edited && ((edited.tls !== null) !== draft.tls || edited.protocol !== draft.protocol)) delete wish.dns;
  const { preset: _, ...policy } = edited?.policy ?? {};
  put("policy", Object.keys(policy).length > 0 ? policy : undefined);
  put("preset", draft.preset || undefined);
  if (edited) wish.replace = true;
  return wish;
}
