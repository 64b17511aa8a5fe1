//! One method for each request of the API.
//!
//! **Invariant:** a name goes into a path through [`segment`], so that none leaves its place.

use std::time::Duration;

use http::Method;

use super::target::{Query, segment};
use super::{BULK_TIMEOUT, Client, Reply};
use crate::error::ClientError;
use crate::v1::ROOT;
use crate::v1::audit::{AuditList, AuditProof, AuditReport};
use crate::v1::config::{BackupReply, BackupRequest, ConfigReply, ReloadReply};
use crate::v1::dns::{
    AddRecord, AddRecordReply, DnsCacheReply, DnsList, DnsListsReply, FlushReply,
    RemoveRecordsReply, ResolveReply,
};
use crate::v1::doctor::DoctorReply;
use crate::v1::health::{HealthList, ServiceHealth};
use crate::v1::import::{ImportReply, ImportRequest};
use crate::v1::routes::RouteList;
use crate::v1::services::{
    BulkReply, DeregisterReply, RegisterBulk, RegisterReply, RegisterService, ServiceList,
    ServiceReply,
};
use crate::v1::sources::DnsSourcesReply;
use crate::v1::status::{GatewayStatus, Liveness};
use crate::v1::tls::{Authority, CertificateList, CertificateReply, RotateReply};
use crate::v1::tokens::{CreateToken, NewToken, RevokeReply, TokenList};
use crate::v1::traffic::TrafficList;
use crate::v1::upgrade::{UpgradeReply, UpgradeRequest};
use crate::v1::upstreams::{UpstreamReply, UpstreamVerb};

impl Client {
    /// `GET /api/v1/status`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Reply<GatewayStatus>, ClientError> {
        self.get(&format!("{ROOT}/status")).await
    }

    /// `GET /api/v1/services`; `all` asks for inactive ones too.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn services(&self, all: bool) -> Result<Reply<ServiceList>, ClientError> {
        let query = if all { "?all=true" } else { "" };
        self.get(&format!("{ROOT}/services{query}")).await
    }

    /// `GET /api/v1/services/{name}`; `check` tries the service through the gateway's listeners now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn service(
        &self,
        name: &str,
        check: bool,
    ) -> Result<Reply<ServiceReply>, ClientError> {
        let query = if check { "?check=true" } else { "" };
        self.get(&format!("{ROOT}/services/{}{query}", segment(name))).await
    }

    /// `GET /api/v1/services/{name}/health`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn service_health(&self, name: &str) -> Result<Reply<ServiceHealth>, ClientError> {
        self.get(&format!("{ROOT}/services/{}/health", segment(name))).await
    }

    /// `GET /api/v1/health`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Reply<HealthList>, ClientError> {
        self.get(&format!("{ROOT}/health")).await
    }

    /// `POST /api/v1/services`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn register(
        &self,
        service: &RegisterService,
    ) -> Result<Reply<RegisterReply>, ClientError> {
        let waits = Duration::from_secs(service.wait_healthy.unwrap_or(0));
        let client = self.clone().with_timeout(self.timeout + waits);
        let mend = format!("run `conduit status {}`", service.name);
        client.change(Method::POST, &format!("{ROOT}/services"), service, mend).await
    }

    /// `POST /api/v1/services:bulk`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn register_bulk(
        &self,
        bulk: &RegisterBulk,
    ) -> Result<Reply<BulkReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let path = format!("{ROOT}/services:bulk");
        client.change(Method::POST, &path, bulk, "run `conduit status`".into()).await
    }

    /// `POST /api/v1/import`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import(&self, asked: &ImportRequest) -> Result<Reply<ImportReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let mend = "importing the same file again is safe".to_owned();
        client.change(Method::POST, &format!("{ROOT}/import"), asked, mend).await
    }

    /// `DELETE /api/v1/services/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deregister(&self, name: &str) -> Result<Reply<DeregisterReply>, ClientError> {
        let path = format!("{ROOT}/services/{}", segment(name));
        let mend = format!("run `conduit status {name}`");
        self.change_bare(Method::DELETE, &path, mend).await
    }

    /// `POST /api/v1/services/{name}/upstreams/{upstream}:{verb}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn hold_upstream(
        &self,
        service: &str,
        upstream: &str,
        verb: UpstreamVerb,
    ) -> Result<Reply<UpstreamReply>, ClientError> {
        let (name, upstream) = (segment(service), segment(upstream));
        let path = format!("{ROOT}/services/{name}/upstreams/{upstream}:{verb}");
        let mend = format!("run `conduit status {service}`");
        self.change_bare(Method::POST, &path, mend).await
    }

    /// `GET /api/v1/traffic`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn traffic(&self) -> Result<Reply<TrafficList>, ClientError> {
        self.get(&format!("{ROOT}/traffic")).await
    }

    /// `GET /api/v1/dns`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns(&self) -> Result<Reply<DnsList>, ClientError> {
        self.get(&format!("{ROOT}/dns")).await
    }

    /// `GET /api/v1/dns` in parts: at most so many entries, behind `next_after` of the part before.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns_part(
        &self,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Reply<DnsList>, ClientError> {
        let query = Query::new().with("limit", &limit.to_string());
        let query = match after {
            Some(after) => query.with("after", after),
            None => query,
        };
        self.get(&format!("{ROOT}/dns{query}")).await
    }

    /// `GET /api/v1/dns/resolve`: a real query against the running server.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resolve(
        &self,
        name: &str,
        record_type: &str,
    ) -> Result<Reply<ResolveReply>, ClientError> {
        let query = Query::new().with("name", name).with("type", record_type);
        self.get(&format!("{ROOT}/dns/resolve{query}")).await
    }

    /// `POST /api/v1/dns/records`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_record(&self, wish: &AddRecord) -> Result<Reply<AddRecordReply>, ClientError> {
        let mend = "run `conduit dns`; adding the same record again is safe".to_owned();
        self.change(Method::POST, &format!("{ROOT}/dns/records"), wish, mend).await
    }

    /// `DELETE /api/v1/dns/records`: those of a name, of a type when given, with that data when given.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_records(
        &self,
        name: &str,
        record_type: Option<&str>,
        data: Option<&str>,
    ) -> Result<Reply<RemoveRecordsReply>, ClientError> {
        let mut query = Query::new().with("name", name);
        for (key, value) in [("type", record_type), ("data", data)] {
            if let Some(value) = value {
                query = query.with(key, value);
            }
        }
        let target = format!("{ROOT}/dns/records{query}");
        self.change_bare(Method::DELETE, &target, "run `conduit dns`".into()).await
    }

    /// `GET /api/v1/dns/lists`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns_lists(&self) -> Result<Reply<DnsListsReply>, ClientError> {
        self.get(&format!("{ROOT}/dns/lists")).await
    }

    /// `GET /api/v1/dns/sources`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns_sources(&self) -> Result<Reply<DnsSourcesReply>, ClientError> {
        self.get(&format!("{ROOT}/dns/sources")).await
    }

    /// `GET /api/v1/dns/cache`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns_cache(&self) -> Result<Reply<DnsCacheReply>, ClientError> {
        self.get(&format!("{ROOT}/dns/cache")).await
    }

    /// `POST /api/v1/dns/flush`: all of it, or the answers about one name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flush_dns(&self, name: Option<&str>) -> Result<Reply<FlushReply>, ClientError> {
        let query = name.map(|name| Query::new().with("name", name).to_string());
        let path = format!("{ROOT}/dns/flush{}", query.unwrap_or_default());
        self.change_bare(Method::POST, &path, "run `conduit dns flush` again".into()).await
    }

    /// `GET /api/v1/doctor`: the gateway looks at itself, for some seconds at most.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn doctor(&self) -> Result<Reply<DoctorReply>, ClientError> {
        self.get(&format!("{ROOT}/doctor")).await
    }

    /// `GET /api/v1/tls`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certificates(&self) -> Result<Reply<CertificateList>, ClientError> {
        self.get(&format!("{ROOT}/tls")).await
    }

    /// `GET /api/v1/tls/{name}/inspect`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certificate(&self, name: &str) -> Result<Reply<CertificateReply>, ClientError> {
        self.get(&format!("{ROOT}/tls/{}/inspect", segment(name))).await
    }

    /// `POST /api/v1/tls/{name}/rotate`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotate(&self, name: &str) -> Result<Reply<RotateReply>, ClientError> {
        let path = format!("{ROOT}/tls/{}/rotate", segment(name));
        let mend = format!("run `conduit certs inspect {name}`");
        self.change_bare(Method::POST, &path, mend).await
    }

    /// `GET /api/v1/tls/ca`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn authority(&self) -> Result<Reply<Authority>, ClientError> {
        self.get(&format!("{ROOT}/tls/ca")).await
    }

    /// `GET /api/v1/routing`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn routes(&self) -> Result<Reply<RouteList>, ClientError> {
        self.get(&format!("{ROOT}/routing")).await
    }

    /// `GET /api/v1/audit`, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(
        &self,
        limit: u32,
        before: Option<u64>,
    ) -> Result<Reply<AuditList>, ClientError> {
        let mut query = Query::new().with("limit", &limit.to_string());
        if let Some(before) = before {
            query = query.with("before", &before.to_string());
        }
        self.get(&format!("{ROOT}/audit{query}")).await
    }

    /// `GET /api/v1/audit/verify`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn verify_audit(&self) -> Result<Reply<AuditReport>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        client.get(&format!("{ROOT}/audit/verify")).await
    }

    /// `GET /api/v1/audit/{sequence}/proof`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit_proof(&self, sequence: u64) -> Result<Reply<AuditProof>, ClientError> {
        self.get(&format!("{ROOT}/audit/{sequence}/proof")).await
    }

    /// `GET /api/v1/tokens`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tokens(&self) -> Result<Reply<TokenList>, ClientError> {
        self.get(&format!("{ROOT}/tokens")).await
    }

    /// `POST /api/v1/tokens`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_token(&self, token: &CreateToken) -> Result<Reply<NewToken>, ClientError> {
        let mend = "run `conduit token list`, and revoke what you cannot use".into();
        self.change(Method::POST, &format!("{ROOT}/tokens"), token, mend).await
    }

    /// `DELETE /api/v1/tokens/{id}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_token(&self, id: &str) -> Result<Reply<RevokeReply>, ClientError> {
        let path = format!("{ROOT}/tokens/{}", segment(id));
        self.change_bare(Method::DELETE, &path, "run `conduit token list`".into()).await
    }

    /// `GET /api/v1/config`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn config(&self) -> Result<Reply<ConfigReply>, ClientError> {
        self.get(&format!("{ROOT}/config")).await
    }

    /// `POST /api/v1/config/reload`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(&self) -> Result<Reply<ReloadReply>, ClientError> {
        let path = format!("{ROOT}/config/reload");
        self.change_bare(Method::POST, &path, "run `conduit config show`".into()).await
    }

    /// `POST /api/v1/backup`: the gateway writes its state to a path on its own machine.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn backup(&self, path: &str) -> Result<Reply<BackupReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let wish = BackupRequest { path: path.into() };
        let mend = format!("look whether {path} is there");
        client.change(Method::POST, &format!("{ROOT}/backup"), &wish, mend).await
    }

    /// `POST /api/v1/upgrade`: a new process takes over.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upgrade(&self, wish: &UpgradeRequest) -> Result<Reply<UpgradeReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let mend = "run `conduit status`, and look at the gateway's log".to_owned();
        client.change(Method::POST, &format!("{ROOT}/upgrade"), wish, mend).await
    }

    /// `GET /metrics`, the Prometheus text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.ask("/metrics").await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// `GET /ready`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ready(&self) -> Result<Reply<Liveness>, ClientError> {
        self.get("/ready").await
    }
}
