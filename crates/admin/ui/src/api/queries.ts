// What is asked of the daemon, and how long an answer is good.
//
// Whatever changes is asked again when an event says so (see live.ts); the status is asked now and then
// besides, so that a page that has missed one does not stay wrong.
import { queryOptions, QueryClient } from "@tanstack/react-query";
import { ApiFailure, get, part } from "./client";
import { merged, QUERIES_MAX } from "../lib/queries";
import type * as api from "./types";

/** Between two looks at the latest requests, while they are shown. */
const REQUESTS_PACE_MS = 5_000;
/** From one look at the status to the next. */
const PULSE_MS = 15_000;
/** The same for the one service that is looked at: how many requests it has under way. */
const CLOSE_MS = 5_000;
/** Between two looks at the query log, while it is shown. */
const LOG_PACE_MS = 2_000;
/** Figures that change without an event, such as response times. */
const FIGURES_MS = 15_000;
/** How often a question is asked again after a failure that may pass. */
const RETRIES_MAX = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 4_000,
      gcTime: 300_000,
      refetchOnWindowFocus: true,
      retry: (count, failure) => count < RETRIES_MAX && failure instanceof ApiFailure && failure.mayPass,
      retryDelay: (count) => 500 * 2 ** count,
    },
  },
});

const read = <T>(key: readonly unknown[], path: string, every: number | false = false) =>
  queryOptions({ queryKey: key, queryFn: ({ signal }) => get<T>(path, signal), refetchInterval: every });

export const statusQuery = read<api.GatewayStatus>(["status"], "/status", PULSE_MS);
export const servicesQuery = read<api.ServiceList>(["services"], "/services", FIGURES_MS);
export const serviceQuery = (name: string) => read<api.ServiceReply>(["services", name], `/services/${part(name)}`, CLOSE_MS);
/** What an edit begins from: it stays as it was read until somebody asks for it anew. */
export const editedQuery = (name: string) =>
  queryOptions({ ...read<api.ServiceReply>(["edited", name], `/services/${part(name)}`), staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false });
export const checkQuery = (name: string) =>
  queryOptions({ ...read<api.ServiceReply>(["check", name], `/services/${part(name)}?check=true`), staleTime: 60_000 });
export const routesQuery = read<api.RouteList>(["routing"], "/routing", FIGURES_MS);
export const dnsQuery = read<api.DnsList>(["dns"], "/dns");
/** What is kept of others' answers, and how the forwarders do. */
export const dnsCacheQuery = read<api.DnsCache>(["dns", "cache"], "/dns/cache", CLOSE_MS);
/** Where answers come from before anybody is asked; files are read again without an event. */
export const dnsSourcesQuery = read<api.DnsSources>(["dns", "sources"], "/dns/sources", CLOSE_MS);
const QUERY_LOG = ["queries"] as const;
/** The query log, as long as it is looked at: what is new is asked for, and put on top of what was there. */
export const queryLogQuery = (isLive: boolean) =>
  queryOptions({
    queryKey: QUERY_LOG,
    queryFn: async ({ signal }) => {
      const before = queryClient.getQueryData<api.QueryList>(QUERY_LOG);
      const after = before ? `&after=${before.last}` : "";
      const fresh = await get<api.QueryList>(`/dns/queries?limit=${QUERIES_MAX}${after}`, signal);
      // Another gateway's life: all of it is new.
      const whole = before && fresh.last < before.last ? await get<api.QueryList>(`/dns/queries?limit=${QUERIES_MAX}`, signal) : fresh;
      return merged(before, whole);
    },
    refetchInterval: isLive ? LOG_PACE_MS : false,
    refetchOnWindowFocus: isLive,
    staleTime: 0,
  });
export const certsQuery = read<api.CertificateList>(["tls"], "/tls");
export const authorityQuery = queryOptions({ ...read<api.Authority>(["authority"], "/tls/ca"), staleTime: 600_000 });
export const inspectQuery = (name: string) => read<{ name: string; certs: api.Certificate[] }>(["tls", name], `/tls/${part(name)}/inspect`);
/** Asked only when somebody wants to know: the gateway works for it. */
export const doctorQuery = queryOptions({ ...read<api.DoctorReply>(["doctor"], "/doctor"), enabled: false, staleTime: 0, gcTime: Infinity, retry: false });
/** Has the gateway look at itself now; the answer is in the query. */
export const lookNow = () => queryClient.prefetchQuery(doctorQuery);
/** Where the answer is shown. */
export const DOCTOR_ID = "doctor";
export const nodesQuery = read<api.NodeList>(["nodes"], "/nodes", 30_000);
export const historyQuery = (node: string, metric: string, hours: number) => pastQuery(`/nodes/${part(node)}`, metric, hours);
export const serviceHistoryQuery = (service: string, metric: string, hours: number) => pastQuery(`/services/${part(service)}`, metric, hours);

export const requestsQuery = (service: string) =>
  queryOptions({ queryKey: ["requests", service], queryFn: ({ signal }) => get<api.RequestList>(`/services/${part(service)}/requests`, signal), refetchInterval: REQUESTS_PACE_MS, staleTime: 0 });

const pastQuery = (of: string, metric: string, hours: number) =>
  queryOptions({
    queryKey: ["history", of, metric, hours],
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - hours * 3_600_000).toISOString().replace(/\.\d+Z$/, "Z");
      return get<api.History>(`${of}/history?metric=${metric}&from=${from}`, signal);
    },
    refetchInterval: 60_000,
  });
export const rulesQuery = queryOptions({ ...read<{ rules: api.AlertRule[] }>(["rules"], "/monitor/rules"), staleTime: 60_000 });
export const channelsQuery = queryOptions({ ...read<{ channels: api.AlertChannel[] }>(["channels"], "/monitor/channels"), refetchInterval: 10_000 });
export const silencesQuery = read<{ silences: api.Silence[] }>(["silences"], "/alerts/silences");
export const auditTailQuery = (limit: number) => read<api.AuditList>(["audit", "tail", limit], `/audit?limit=${limit}`);
export const tokensQuery = read<{ tokens: api.Token[] }>(["tokens"], "/tokens");
export const passkeysQuery = (name: string) => read<{ passkeys: api.Passkey[] }>(["passkeys", name], `/users/${part(name)}/passkeys`);
export const usersQuery = read<{ users: api.User[] }>(["users"], "/users");
export const configQuery = read<api.ConfigReply>(["config"], "/config");
