//! `[[services]]` tables with the API's field names, and `[services.policy]` below each.
//!
//! **Invariant:** whole or not at all: each service is judged here as the API would, so that an
//! error can name the line, and nothing was sent then.

use std::path::Path;
use std::str::FromStr;

use conduit_api::v1::services::RegisterService;
use conduit_core::name::ServiceName;
use conduit_core::policy::Preset;
use conduit_core::service::{DnsMode, ProbePath, Protocol, WhenAllEjected};
use conduit_core::title::Title;
use conduit_core::upstream::UpstreamAddr;
use serde::Deserialize;
use toml::Spanned;

use crate::cli::exit::Failure;
use crate::cli::written;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServicesFile {
    #[serde(default)]
    services: Vec<Spanned<RegisterService>>,
}

/// Reads the services of a file.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<RegisterService>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let file: ServicesFile =
        toml::from_str(text).map_err(|error| written::in_toml(path, text, &error))?;
    if file.services.is_empty() {
        let message = format!("{}: there is no [[services]] in it", path.display());
        return Err(Failure::new(message).hint("nothing was changed"));
    }
    let mut services = Vec::with_capacity(file.services.len());
    for service in file.services {
        let line = written::line_of(text, Some(service.span()));
        let service = service.into_inner();
        judge(&service).map_err(|reason| {
            written::at(path, line, &format!("{}: {reason}", service.name))
                .hint("nothing was registered")
        })?;
        services.push(service);
    }
    Ok(services)
}

fn judge(service: &RegisterService) -> Result<(), String> {
    if service.replace || service.dry_run || service.wait_healthy.is_some() {
        return Err("replace, dry_run and wait_healthy are flags of the command".into());
    }
    ServiceName::parse(&service.name).map_err(|error| error.to_string())?;
    if let Some(title) = &service.title {
        Title::parse(title).map_err(|error| error.to_string())?;
    }
    let auto = service.preset.as_deref() == Some("auto");
    let beside = service.preset.as_deref().filter(|_| !auto);
    let beside = beside.map(|text| text.parse::<Preset>().map_err(|error| error.to_string()));
    let inside = service.policy.as_ref().and_then(|policy| policy.preset);
    let port = beside.transpose()?.or(inside).map(Preset::port);
    let given = service.host.iter().chain(&service.upstream).chain(&service.upstreams);
    for upstream in given {
        UpstreamAddr::parse_pasted(upstream, port).map_err(|error| error.to_string())?;
    }
    word::<Protocol>(service.protocol.as_deref())?;
    word::<DnsMode>(service.dns.as_deref())?;
    word::<WhenAllEjected>(service.when_all_ejected.as_deref())?;
    if let Some(path) = &service.health {
        ProbePath::parse(path).map_err(|error| error.to_string())?;
    }
    match &service.policy {
        Some(policy) => policy.with_preset().check().map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

fn word<T: FromStr<Err: std::fmt::Display>>(text: Option<&str>) -> Result<(), String> {
    match text.map(str::parse::<T>) {
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(_)) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<RegisterService>, String> {
        read(Path::new("services.toml"), text).map_err(|failure| failure.message)
    }

    #[test]
    fn tables_become_requests_with_their_policies() {
        let services = read_text(
            "[[services]]\nname = \"grafana\"\nupstream = \"10.0.1.50:3000\"\n\
             [services.policy]\nbalance = \"random\"\n[services.policy.timeouts]\nidle = 30\n\
             [[services]]\nname = \"llm\"\nhost = \"10.0.1.9\"\npreset = \"ollama\"\n",
        )
        .expect("understood");
        assert_eq!(services.len(), 2);
        let policy = services[0].policy.as_ref().expect("there");
        assert_eq!(policy.timeouts.idle, "30s".parse().ok());
        assert_eq!(services[1].preset.as_deref(), Some("ollama"));
        assert_eq!(services[1].policy, None);
    }

    #[test]
    fn errors_name_the_line_of_what_is_wrong() {
        let good = "[[services]]\nname = \"a\"\nhost = \"h:1\"\n\n";
        for (tail, expected) in [
            ("[[services]]\nname = \"b c\"\nhost = \"h:1\"", "services.toml:5: b c: "),
            ("[[services]]\nname = \"b\"\nhost = \"h\"", "services.toml:5: b: \"h\" is not an"),
            ("[[services]]\nname = \"b\"\nhots = \"h:1\"", "services.toml:7: unknown field `hots`"),
            ("[[services]]\nhost = \"h:1\"", "services.toml:5: missing field `name`"),
            ("[services.policy]\nbalance = \"fast\"", "services.toml:6: \"fast\" is not a balance"),
            ("[services.policy]\nlisten = 0", "services.toml:1: a: listen: give a port"),
            ("[[service]]\nname = \"b\"", "services.toml:5: unknown field `service`"),
            ("oh", "services.toml:5: "),
        ] {
            let error = read_text(&format!("{good}{tail}")).expect_err(tail);
            assert!(error.starts_with(expected), "{tail}: {error}");
        }
        assert!(read_text("# nothing").expect_err("empty").contains("no [[services]]"));
    }

    #[test]
    fn the_example_is_understood() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/home-lab/services.toml");
        let services = read_text(&std::fs::read_to_string(path).expect("the example"));
        assert_eq!(services.expect("understood").len(), 5);
    }
}
