//! The file behind `register --file`: any `services.json` the registry understands.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use conduit_api::v1::services::{Monitoring, RegisterService};
use conduit_core::service::TlsMode;
use conduit_registry::Registration;
use conduit_registry::import::{IMPORT_BYTES_MAX, Ignored, services};

use super::exit::Failure;
use super::output::notice;

/// Reads the file; what is understood and not carried over is told.
pub(crate) fn read(path: &Path) -> Result<Vec<RegisterService>, Failure> {
    let bytes = bytes(path)?;
    let import = services(&bytes).map_err(|error| {
        let failure = Failure::of(&error);
        Failure::new(format!("{}: {}", path.display(), failure.message))
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

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    // One byte more than is taken, so that the reader of the format can say that it is too large.
    let limit = IMPORT_BYTES_MAX as u64 + 1;
    let file = File::open(path).map_err(failed)?;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
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
