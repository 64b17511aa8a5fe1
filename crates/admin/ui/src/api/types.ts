// The shapes of /api/v1 that the page uses, from the document that the daemon's code makes
// (crates/api/openapi.json; `npm run types` writes schema.ts).
import type { components } from "./schema";

type Schemas = components["schemas"];

/** A policy is passed on as it came: the page shows it and takes nothing from it but its preset. */
export type Policy = Record<string, unknown>;

export type AddNode = Schemas["AddNode"];
export type Alert = Schemas["Alert"];
export type AlertChannel = Schemas["AlertChannel"];
export type AlertRule = Schemas["AlertRule"];
export type Passkey = Schemas["Passkey"];
export type PasskeyOptions = Schemas["PasskeyOptions"];
export type TestChannelReply = Schemas["TestChannelReply"];
export type AuditEntry = Schemas["AuditEntry"];
export type AuditList = Schemas["AuditList"];
export type AuditReport = Schemas["AuditReport"];
export type Authority = Schemas["Authority"];
export type Certificate = Schemas["Certificate"];
export type CertificateList = Schemas["CertificateList"];
export type Check = Schemas["Check"];
export type ConfigReply = Schemas["ConfigReply"];
export type Container = Schemas["Container"];
export type ContainerLine = Schemas["ContainerLine"];
export type DoctorReply = Schemas["DoctorReply"];
export type Finding = Schemas["Finding"];
export type AddRecord = Schemas["AddRecord"];
export type AddRecordReply = Schemas["AddRecordReply"];
export type DnsEntry = Schemas["DnsEntry"];
export type RemoveRecordsReply = Schemas["RemoveRecordsReply"];
export type DnsList = Schemas["DnsList"];
export type DnsCache = Schemas["DnsCacheReply"];
export type DnsForwarder = Schemas["DnsForwarder"];
export type DnsSources = Schemas["DnsSourcesReply"];
export type DnsZone = Schemas["DnsZone"];
export type DnsListStatus = Schemas["DnsListStatus"];
export type DnsQuery = Schemas["DnsQuery"];
export type QueryList = Schemas["QueryList"];
export type Why = Schemas["WhyReply"];
export type Engine = Schemas["Engine"];
export type GatewayStatus = Schemas["GatewayStatus"];
export type Gpu = Schemas["Gpu"];
export type GpuProcess = Schemas["GpuProcess"];
export type HealthCounts = Schemas["HealthCounts"];
export type HealthStatus = Schemas["HealthStatus"];
export type History = Schemas["History"];
export type MachineNode = Schemas["Node"];
export type NewToken = Schemas["NewToken"];
export type NodeList = Schemas["NodeList"];
export type RegisterReply = Omit<Schemas["RegisterReply"], "service"> & { service?: Service | null };
export type RegisterService = Omit<Schemas["RegisterService"], "policy"> & { policy?: Policy };
export type ReloadReply = Schemas["ReloadReply"];
export type ResolveReply = Schemas["ResolveReply"];
export type Role = Schemas["Role"];
export type Route = Schemas["Route"];
export type RouteList = Schemas["RouteList"];
export type Service = Omit<Schemas["Service"], "policy" | "effective_policy"> & { policy?: Policy; effective_policy?: Policy };
export type ServiceList = Omit<Schemas["ServiceList"], "services"> & { services: Service[] };
export type ServiceReply = Omit<Schemas["ServiceReply"], "service"> & { service: Service };
export type Silence = Schemas["Silence"];
export type TestReply = Schemas["TestReply"];
export type Session = Schemas["Session"];
export type AuditProof = Schemas["AuditProof"];
export type RequestList = Schemas["RequestList"];
export type Ways = Schemas["Ways"];
export type OidcReturn = Schemas["OidcReturn"];
export type OidcDeparture = Schemas["OidcDeparture"];
export type Token = Schemas["Token"];
export type Traffic = Schemas["Traffic"];
export type UpstreamHealth = Schemas["UpstreamHealth"];
export type UpstreamReply = Schemas["UpstreamReply"];

export type User = Schemas["User"];
