//! What callers may ask for whose tokens are for parts of the API.
//!
//! **Invariant:** a path that nobody thought of is for no token with scopes.

use conduit_core::scope::Area;
use http::{Method, StatusCode};

use super::{Caller, PATH_CHARS_MAX};
use crate::error::ApiError;
use crate::session::is_read;

impl Caller {
    /// Whether they may change a service; `None` is all of them at once. For requests that do not
    /// name it in their path.
    pub(crate) fn may_change(&self, service: Option<&str>) -> Result<(), ApiError> {
        if self.scopes.cover_service(Area::Services, service) {
            return Ok(());
        }
        let what =
            service.map_or_else(|| "all services at once".to_owned(), |name| name.to_owned());
        Err(self.out_of_scope(&what))
    }

    /// Whether a request is for something that the token is for; what is not known is for nobody
    /// whose token names parts.
    pub(super) fn within_scopes(&self, method: &Method, path: &str) -> Result<(), ApiError> {
        let is_within = match scope_of(path) {
            _ if self.scopes.is_everything() => true,
            Wanted::Nothing => true,
            Wanted::Unknown => false,
            // A name that is written in a roundabout way could fit another pattern than its own.
            Wanted::Part(_, Some(service)) if service.contains('%') => false,
            Wanted::Part(area, _) if is_read(method) => self.scopes.cover(area),
            // Registrations name them in their bodies, and their handlers look.
            Wanted::Part(area, None) if REGISTERS.contains(&path) => self.scopes.cover(area),
            Wanted::Part(area, service) => self.scopes.cover_service(area, service),
        };
        if is_within { Ok(()) } else { Err(self.out_of_scope(path)) }
    }

    fn out_of_scope(&self, what: &str) -> ApiError {
        let what: String = what.chars().take(PATH_CHARS_MAX).collect();
        let message =
            format!("{} is for {}, and not for {what}", self.actor, self.scopes.texts().join(", "));
        ApiError::new(StatusCode::FORBIDDEN, "out_of_scope", message)
            .hint("`conduit token create --scope SCOPE` makes a token for something else")
    }
}

/// The paths of registrations.
const REGISTERS: [&str; 2] = ["/services", "/services:bulk"];

/// What a request is for, by its path below `/api/v1` and at the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    /// What everybody may know who gets in at all.
    Nothing,
    /// A part of the API, and the service that it is about.
    Part(Area, Option<&'a str>),
    /// Nobody thought of it.
    Unknown,
}

fn scope_of(path: &str) -> Wanted<'_> {
    let mut parts = path.split('/').skip(1);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let area = match first {
        "status" | "openapi.json" | "ping" => return Wanted::Nothing,
        // The shell edition's path for what is `/config/reload`.
        "routing" if second == Some("reload") => Area::Gateway,
        "services" | "services:bulk" | "health" | "routing" | "traffic" => Area::Services,
        "tls" => Area::Tls,
        "dns" => Area::Dns,
        "nodes" | "nodes:test" | "containers" => Area::Nodes,
        "alerts" | "monitor" => Area::Alerts,
        "audit" => Area::Audit,
        "events" => Area::Events,
        "metrics" | "sd" => Area::Metrics,
        "tokens" | "users" => Area::Access,
        "config" | "backup" | "doctor" | "upgrade" | "login-codes" | "import" => Area::Gateway,
        _ => return Wanted::Unknown,
    };
    let is_about_services = matches!(first, "services" | "tls");
    Wanted::Part(area, second.filter(|_| is_about_services))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_of_a_part_or_for_nobody_with_scopes() {
        let of = |path| scope_of(path);
        for (path, wanted) in [
            ("/services", Wanted::Part(Area::Services, None)),
            ("/services/web-1/upstreams/drain", Wanted::Part(Area::Services, Some("web-1"))),
            ("/services:bulk", Wanted::Part(Area::Services, None)),
            ("/tls/web-1/rotate", Wanted::Part(Area::Tls, Some("web-1"))),
            ("/dns/flush", Wanted::Part(Area::Dns, None)),
            ("/metrics/node/gpu", Wanted::Part(Area::Metrics, None)),
            ("/nodes:test", Wanted::Part(Area::Nodes, None)),
            ("/routing", Wanted::Part(Area::Services, None)),
            ("/routing/reload", Wanted::Part(Area::Gateway, None)),
            ("/status", Wanted::Nothing),
            ("/", Wanted::Unknown),
            ("/new-thing", Wanted::Unknown),
        ] {
            assert_eq!(of(path), wanted, "{path}");
        }
        let document = crate::router::described();
        for path in document.paths.paths.keys() {
            let below = path.strip_prefix("/api/v1").unwrap_or(path);
            let is_open = below.starts_with("/session") || path == "/ready";
            assert!(is_open || of(below) != Wanted::Unknown, "{path} is of no part");
        }
    }
}
