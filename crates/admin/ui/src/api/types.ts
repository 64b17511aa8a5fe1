// The shapes of /api/v1, as crates/api/src/v1 has them.

export type HealthStatus = "healthy" | "degraded" | "down" | "unknown";
export type UpstreamState = "admitted" | "draining" | "ejected" | "unproven";
export type Role = "viewer" | "operator" | "admin";

export interface Session { name: string; role: Role; expires_at: string | null; csrf: string }

export interface HealthCounts { healthy: number; degraded: number; down: number; unknown: number; total: number }

export interface AuditEntry {
  timestamp: string; action: string; status: "success" | "failure"; message: string; user: string;
  details: Record<string, unknown>; sequence: number; id: string; hash: string; previous_hash: string | null;
}
export interface AuditList { entries: AuditEntry[]; next_before: number | null }
export interface AuditReport {
  valid: boolean; entries: number; head: string | null; failures: { sequence: number | null; message: string }[];
}

export interface GatewayStatus {
  version: string; ready: boolean; not_ready: string[]; stopping: boolean; uptime_seconds: number; pid: number;
  generation: number; tables: { routes: string; zone: string };
  listen: { dns: string[]; https: string[]; http: string[]; admin: string[]; socket: string | null };
  domains: string[]; addresses: string[]; services: HealthCounts;
  certs: { valid: number; expiring: number; expired: number }; last_audit: AuditEntry | null;
}

export interface UpstreamHealth {
  upstream: string; state: UpstreamState; last_probe_at: string | null; response_time_ms: number | null;
  reason: string | null; in_flight: number; hold?: { kind: string; by: string; since: string } | null;
}
export interface Check { ok: boolean; reason: string | null; at: string | null }
export interface Service {
  name: string; upstream: string; upstreams: string[]; domain: string; aliases: string[]; protocol: string;
  status: "active" | "inactive"; registered_at: string; deregistered_at: string | null; health_check: string | null;
  health_status: HealthStatus; health_reason: string | null; last_health_check: string | null;
  response_time_ms: number | null; tls: { not_after: string; fingerprint_sha256: string } | null;
  monitoring: { type: string | null; container_name: string | null; ssh_host: string | null };
  url: string | null; dns: string; when_all_ejected: string; policy?: Record<string, unknown>;
  effective_policy?: Record<string, unknown>; upstream_health: UpstreamHealth[];
  checks: { dns: Check | null; tls: Check | null };
}
export interface ServiceList { generation: number; services: Service[] }
export interface ServiceReply { generation: number; service: Service }
export interface RegisterService {
  name: string; upstreams: string[]; domain?: string; aliases?: string[]; preset?: string; protocol?: string;
  tls?: boolean; dns?: string; health?: string; when_all_ejected?: string; policy?: Record<string, unknown>;
  monitoring?: Service["monitoring"]; replace?: boolean; dry_run?: boolean;
}
export interface RegisterReply {
  generation: number; changed: boolean; dry_run: boolean; outcome: string; service: Service | null; probed: boolean;
  fingerprint?: { preset: string; evidence: string };
}
export interface UpstreamReply { changed: boolean; health: UpstreamHealth | null; note: string | null }

export interface DnsEntry {
  name: string; domain: string; ip: string | null; addresses: string[]; mode: string; source: string; created_at: string;
}
export interface DnsList { version: string; domains: string[]; listen: string[]; entries: DnsEntry[] }
export interface ResolveReply {
  name: string; type: string; status: string; authoritative: boolean;
  answers: { name: string; type: string; ttl: number; value: string }[]; server: string; elapsed_ms: number;
}

export interface Certificate {
  name: string; domain: string; sans: string[]; algorithm: string; subject: string; issuer: string; serial: string;
  not_before: string; not_after: string; renew_at: string; fingerprint_sha256: string;
  status: "valid" | "expiring" | "expired"; key_usages?: string[]; pem?: string;
}
export interface CertificateList { certs: Certificate[] }
export interface AuthorityCertificate {
  subject: string; algorithm: string; fingerprint_sha256: string; not_before: string; not_after: string; pem: string;
}
export interface Authority { bundle_pem: string; roots: AuthorityCertificate[]; intermediates: AuthorityCertificate[] }

export interface Route {
  name: string; domain: string; upstream: string; upstreams: UpstreamHealth[]; tls: boolean;
  health_status: HealthStatus; response_time_ms: number | null; last_checked: string | null;
}
export interface RouteList { version: string; routes: Route[] }

export interface Amount { total_bytes: number; used_bytes: number }
export interface GpuProcess { pid: number; name: string; vram_bytes: number | null; container: string | null; service: string | null }
export interface Gpu {
  index: number; vendor: string; id: string; name: string; asleep: boolean; temperature: number | null;
  memory_total_bytes: number | null; memory_used_bytes: number | null; memory_reserved_bytes: number | null; utilization: number | null;
  power: number | null; power_limit: number | null; throttle: string[] | null; ecc_uncorrected: number | null;
  fan: number | null; xid: number | null; processes: GpuProcess[];
}
export interface Container {
  id: string; name: string; image: string; state: string; health: string | null; cpu: number | null;
  memory_bytes: number | null; memory_limit_bytes: number | null; restarts: number | null;
  uptime_seconds: number | null; service: string | null;
}
export interface HostFigures {
  hostname: string; kernel: string; uptime_seconds: number | null; cores: number; cpu: number | null;
  load: [number, number, number] | null; memory: Amount; swap: Amount;
  file_systems: { device: string; mount_point: string; type: string; total_bytes: number; used_bytes: number; read_only: boolean }[];
  interfaces: { name: string; received_bytes_per_second: number | null; sent_bytes_per_second: number | null }[];
  temperatures: { sensor: string; celsius: number; critical: number | null }[];
  units: { name: string; state: string }[];
}
export interface NodeSource {
  kind: string; read_at: string | null; age_seconds: number | null; error: string | null; absent: boolean; problems: string[];
}
export interface MachineNode {
  name: string; address: string | null; origin: "added" | "configured" | "local"; state: "up" | "lost" | "waiting";
  tags: string[]; sources: NodeSource[]; host: HostFigures | null; gpus: { driver: string | null; gpus: Gpu[] } | null;
  containers: { engine: string; containers: Container[]; left_out: number } | null;
  vram: { service: string | null; container: string | null; program: string | null; vram_bytes: number | null; processes: number; gpus: number[] }[];
}
export interface Alert {
  rule: string; severity: string; node: string; metric: string; subject: string | null; value: number;
  threshold: number; unit: string; message: string; raised_at: string; silenced: boolean;
}
export interface Engine {
  service: string; upstream: string; preset: string; running: number | null; waiting: number | null; cache_used: number | null;
  prompt_tokens_per_second: number | null; generated_tokens_per_second: number | null;
  models: { name: string; vram_bytes: number | null }[]; problem: string | null;
}
export interface NodeList { at: string; interval_seconds: number; nodes: MachineNode[]; engines: Engine[]; alerts: Alert[] }
export interface History {
  node: string; metric: string; unit: string; from: string; to: string; step_seconds: number;
  series: { subject: string | null; points: { at: string; mean: number; min: number; max: number }[] }[];
}
export interface AlertRule {
  name: string; metric: string; unit: string; condition: string; severity: string; origin: string; enabled: boolean;
}
export interface Silence {
  id: string; rule: string; node: string | null; subject: string | null; from: string; until: string; by: string; comment: string | null;
}
export interface AddNode { destination: string; name?: string; fingerprint?: string; tags?: string[] }
export interface TestReply {
  destination: string; fingerprint: string; key_type: string; pinned: boolean; ok: boolean; error: string | null;
  problems: string[]; hostname: string | null; gpus: number | null; containers: number | null; took_ms: number;
}
export interface Token {
  id: string; name: string; role: Role; created_at: string; expires_at: string | null; revoked_at: string | null;
}
export interface NewToken { id: string; name: string; role: Role; expires_at: string | null; secret: string }
export interface User { name: string; role: Role; created_at?: string | null }
export interface ConfigReply { file: string | null; toml: string }
export interface ReloadReply { applied: string[]; needs_restart: string[] }
