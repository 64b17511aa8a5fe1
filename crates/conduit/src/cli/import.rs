//! The file behind `register --file`: any `services.json` the registry understands, or TOML.

mod services_toml;

use std::path::Path;

use conduit_api::v1::services::{Monitoring, RegisterService};
use conduit_core::policy::Policy;
use conduit_core::service::TlsMode;
use conduit_registry::Registration;
use conduit_registry::import::{IMPORT_BYTES_MAX, Ignored, services};

use super::exit::Failure;
use super::output::notice;
use super::written::{self, Form};

/// Reads the file; what is understood and not carried over is told.
pub(crate) fn read(path: &Path) -> Result<Vec<RegisterService>, Failure> {
    let bytes = written::bytes(path, IMPORT_BYTES_MAX)?;
    if let Some(text) = toml(&bytes) {
        return services_toml::read(path, text);
    }
    let import = services(&bytes).map_err(|error| {
        let failure = Failure::of(&error);
        Failure::usage(format!("{}: {}", path.display(), failure.message))
            .hint("nothing was registered")
    })?;
    if import.registrations.is_empty() {
        let message = format!("{}: there is no active service in it", path.display());
        return Err(Failure::new(message).hint("nothing was changed"));
    }
    for line in told(&import.ignored) {
        notice(&line);
    }
    Ok(import.registrations.iter().map(wish).collect())
}

/// The text, when it is TOML.
fn toml(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = bytes.len() <= IMPORT_BYTES_MAX && !text.trim().is_empty();
    (fits && Form::of(text) == Form::Toml).then_some(text)
}

fn told(ignored: &[Ignored]) -> Vec<String> {
    let mut lines: Vec<String> = ignored
        .iter()
        .take(TOLD_MAX)
        .map(|ignored| {
            let service = ignored.service.as_ref();
            let of = service.map_or_else(String::new, |name| format!(" ({name})"));
            format!(
                "row {}{of}: {} not carried over: {}",
                ignored.row, ignored.field, ignored.reason
            )
        })
        .collect();
    if ignored.len() > TOLD_MAX {
        lines.push(format!("and {} more", ignored.len() - TOLD_MAX));
    }
    lines
}

fn wish(registration: &Registration) -> RegisterService {
    let monitoring = &registration.monitoring;
    RegisterService {
        name: registration.name.to_string(),
        title: registration.title.as_ref().map(ToString::to_string),
        upstreams: registration.upstreams.iter().map(ToString::to_string).collect(),
        domain: registration.domain.clone(),
        aliases: registration.aliases.clone(),
        protocol: Some(registration.protocol.to_string()),
        tls: Some(registration.tls == TlsMode::Issued),
        dns: registration.dns.map(|mode| mode.to_string()),
        health: registration.probe.as_ref().map(|path| path.as_str().to_owned()),
        when_all_ejected: Some(registration.when_all_ejected.to_string()),
        monitoring: Some(Monitoring {
            kind: monitoring.kind.clone(),
            container_name: monitoring.container_name.clone(),
            ssh_host: monitoring.ssh_host.clone(),
        }),
        policy: (!registration.policy.is_empty())
            .then(|| Box::new(Policy::clone(&registration.policy))),
        ..RegisterService::default()
    }
}

/// Lines told about one file.
const TOLD_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_file_becomes_requests() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("services.json");
        let text = r#"{"version":1,"services":[{"name":"core","upstream":"10.0.1.10:8000",
            "domain":"core.internal","status":"active","registered_at":"2026-04-04T12:00:00Z",
            "health_check":"/health","monitoring":{"type":"container","container_name":"qp-core"}}]}"#;
        std::fs::write(&path, text).expect("written");
        let all = read(&path).expect("understood");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].name, "core");
        assert_eq!(all[0].upstreams, ["10.0.1.10:8000"]);
        assert_eq!(all[0].domain.as_deref(), Some("core.internal"));
        assert_eq!(all[0].health.as_deref(), Some("/health"));
    }

    #[test]
    fn a_policy_in_our_own_view_is_carried() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("services.json");
        let text = r#"[{"name":"a","upstream":"h:1","policy":{"balance":"random"}}]"#;
        std::fs::write(&path, text).expect("written");
        let policy = read(&path).expect("understood")[0].policy.clone().expect("carried");
        assert_eq!(policy.balance.map(|balance| balance.to_string()).as_deref(), Some("random"));
    }

    #[test]
    fn a_bad_file_names_itself_and_the_row() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("services.json");
        assert!(read(&path).is_err());
        std::fs::write(&path, r#"{"version":1,"services":[]}"#).expect("written");
        let failure = read(&path).expect_err("refused");
        assert!(failure.message.contains("services.json: there is no active"), "{failure}");
        std::fs::write(&path, r#"{"version":1,"services":[{"name":"a b","upstream":"x"}]}"#)
            .expect("written");
        let failure = read(&path).expect_err("refused");
        assert!(failure.message.contains("services.json: row 1"), "{failure}");
    }
}
