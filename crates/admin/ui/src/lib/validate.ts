// The rules of a registration that can be judged before it is sent. The daemon judges all of them again.
import { words } from "../strings";

export interface Draft {
  name: string; title: string; upstreams: string[]; domain: string; aliases: string; protocol: string; health: string; preset: string; tls: boolean;
}
export type Problems = Partial<Record<"name" | "title" | "upstreams" | "aliases" | "health" | "domain", string>>;

export const NAME_CHARS_MAX = 63;
export const TITLE_CHARS_MAX = 80;
const HOST_CHARS_MAX = 253;
const RESERVED = ["conduit", "trust", "dns"];
const say = words.register.problems;

export function nameProblem(name: string, taken: ReadonlySet<string> = new Set()): string | null {
  if (name === "") return say.nameEmpty;
  if (name.length > NAME_CHARS_MAX) return say.nameLong;
  if (!/^[A-Za-z0-9_-]+$/.test(name)) return say.nameLetters;
  if (!/^[A-Za-z0-9].*$/.test(name) || !/[A-Za-z0-9]$/.test(name)) return say.nameEdge;
  if (RESERVED.includes(name.toLowerCase())) return say.nameReserved;
  return taken.has(name.toLowerCase()) ? say.nameTaken : null;
}

/** What people read instead of the name; characters that only steer how text is shown are none of it. */
export function titleProblem(title: string): string | null {
  const text = title.trim();
  if ([...text].length > TITLE_CHARS_MAX) return say.titleLong;
  return /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text) ? say.titleControl : null;
}

/** `HOST:PORT`, `[V6]:PORT`, or either with a scheme; the port may be left to a preset. */
export function upstreamProblem(text: string, mayLackPort = false): string | null {
  const rest = text.trim().replace(/^(https?|h2c|tcp):\/\//, "");
  if (rest === "") return say.upstreamEmpty;
  if (/[\s/?#@]/.test(rest)) return say.upstreamShape;
  const match = /^(\[[0-9A-Fa-f:.%]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(rest);
  if (!match?.[1]) return say.upstreamShape;
  const [, host, port] = match;
  if (port === undefined) return mayLackPort ? null : say.upstreamPort;
  if (Number(port) < 1 || Number(port) > 65_535) return say.portRange;
  if (host.startsWith("[")) return null;
  if (/^[\d.]+$/.test(host)) return isV4(host) ? null : say.upstreamAddress;
  return hostProblem(host);
}

export function hostProblem(host: string): string | null {
  if (host.length > HOST_CHARS_MAX) return say.hostShape;
  return host.replace(/\.$/, "").split(".").every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label)) ? null : say.hostShape;
}

export function problemsOf(draft: Draft, taken: ReadonlySet<string>, domains: readonly string[]): Problems {
  const problems: Problems = {};
  const name = nameProblem(draft.name.trim(), taken);
  if (name) problems.name = name;
  const title = titleProblem(draft.title);
  if (title) problems.title = title;
  const given = draft.upstreams.map((text) => text.trim()).filter((text) => text !== "");
  const upstream = given.length === 0 ? say.upstreamEmpty : given.map((text) => upstreamProblem(text, draft.preset !== "")).find((problem) => problem !== null);
  if (upstream) problems.upstreams = upstream;
  else if (new Set(given).size !== given.length) problems.upstreams = say.upstreamTwice;
  const alias = aliasesOf(draft.aliases).find((host) => hostProblem(host) !== null);
  if (alias) problems.aliases = `${alias}: ${say.hostShape}`;
  const domain = draft.domain.trim();
  if (domain !== "" && hostProblem(domain)) problems.domain = say.hostShape;
  else if (domain !== "" && domains.length > 0 && !domains.some((known) => domain === known || domain.endsWith(`.${known}`))) {
    problems.domain = say.domainUnknown(domains);
  }
  if (draft.health !== "" && !/^\/[^\s#]*$/.test(draft.health)) problems.health = say.healthShape;
  return problems;
}

export const aliasesOf = (text: string) => text.split(/[\s,]+/).filter((host) => host !== "");

function isV4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}
