//! The environment: `CONDUIT_*` variables and the `.env.conduit` file beside the configuration.
//!
//! **Invariant:** a real variable wins over the file's; both win over the configuration.

use std::collections::BTreeMap;

use super::error::nearest;
use super::file::{File, MonitoredServer};
use super::value::{GivenList, Origin, Sourced, Text};

/// The environment file's name.
pub(crate) const FILE_NAME: &str = ".env.conduit";

/// Lays the environment over the file; returns what is odd about it.
pub(crate) fn apply(
    file: &mut File,
    env_text: &str,
    variables: &BTreeMap<String, String>,
) -> Vec<String> {
    let (in_file, mut warnings) = parse_file(env_text);
    for name in VARIABLES {
        let given = variables
            .get(*name)
            .map(|value| (value, Origin::Env(name)))
            .or_else(|| in_file.get(*name).map(|value| (value, Origin::EnvFile(name))));
        if let Some((value, origin)) = given {
            set(file, name, value, &origin, &mut warnings);
        }
    }
    warnings
}

fn set(file: &mut File, name: &str, value: &str, origin: &Origin, warnings: &mut Vec<String>) {
    let value = value.trim();
    // An empty variable is an unset one, as in every shell script that exports all of them.
    if value.is_empty() {
        return;
    }
    let text = || Some(Sourced::new(Text(value.to_owned()), origin.clone()));
    match name {
        "CONDUIT_APP_NAME" => file.app_name = text(),
        "CONDUIT_CONFIG_DIR" => file.gateway.state_dir = text(),
        "CONDUIT_DOMAIN" => prepend_domains(file, value, origin),
        "CONDUIT_DNS_PORT" => file.dns.port = text(),
        "CONDUIT_DNS_UPSTREAM" => file.dns.forwarders = forwarders(value, origin),
        "CONDUIT_CADDY_HTTPS_PORT" | "CONDUIT_HTTPS_PORT" => file.proxy.https_port = text(),
        "CONDUIT_HTTP_PORT" => file.proxy.http_port = text(),
        "CONDUIT_HEALTH_INTERVAL" => file.health.interval = text(),
        "CONDUIT_DOCKER_SOCKET" => file.monitor.docker_socket = text(),
        "CONDUIT_REMOTE_SERVERS" => {
            file.monitor.servers = Some(Sourced::new(servers(value, origin), origin.clone()));
        }
        "CONDUIT_ALLOWED_UPSTREAMS" => file.upstreams.allow = list(value, origin),
        "CONDUIT_SOCKET" => file.admin.socket = text(),
        "CONDUIT_OTLP" => file.telemetry.otlp = text(),
        "CONDUIT_LOG" => file.log.level = text(),
        "CONDUIT_LOG_FORMAT" => file.log.format = text(),
        "CONDUIT_CADDY_ADMIN" => warnings.push(
            "CONDUIT_CADDY_ADMIN is ignored: there is no Caddy; the control plane is admin.listen"
                .to_owned(),
        ),
        _ => {}
    }
}

/// The domains named come first; those configured stay behind them.
fn prepend_domains(file: &mut File, value: &str, origin: &Origin) {
    let mut first = list(value, origin);
    let rest = file.gateway.domains.take();
    if let Some(first) = &mut first {
        match rest {
            Some(rest) => first.value.extend(rest.value),
            None => first.value.extend(
                ["internal", "local", "test"]
                    .map(|text| Sourced::new(Text(text.to_owned()), Origin::Default)),
            ),
        }
    }
    file.gateway.domains = first;
}

/// The seeds write 127.0.0.1 where they mean that nothing is forwarded.
fn forwarders(value: &str, origin: &Origin) -> GivenList {
    let mut given = list(value, origin)?;
    given.value.retain(|text| !matches!(text.value.0.as_str(), "127.0.0.1" | "none"));
    Some(given)
}

/// `10.0.1.20:gpu-server,10.0.1.10:app-server`: an address and its label.
fn servers(value: &str, origin: &Origin) -> Vec<Sourced<MonitoredServer>> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (host, label) = match part.rsplit_once(':') {
                Some((host, label)) if !host.is_empty() && !host.ends_with(':') => {
                    (host, Some(Text(label.to_owned())).filter(|label| !label.0.is_empty()))
                }
                _ => (part, None),
            };
            let server = MonitoredServer {
                host: Text(host.to_owned()),
                label,
                ..MonitoredServer::default()
            };
            Sourced::new(server, origin.clone())
        })
        .collect()
}

fn list(value: &str, origin: &Origin) -> GivenList {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let elements = parts.map(|part| Sourced::new(Text(part.to_owned()), origin.clone())).collect();
    Some(Sourced::new(elements, origin.clone()))
}

/// Reads `KEY=VALUE` lines; `export`, quotes, comments and blank lines are tolerated.
fn parse_file(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let mut values = BTreeMap::new();
    let mut warnings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bare = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = bare.split_once('=') else {
            warnings.push(format!("{FILE_NAME}:{}: not KEY=VALUE; ignored", index + 1));
            continue;
        };
        let name = name.trim();
        if VARIABLES.contains(&name) {
            values.insert(name.to_owned(), unquote(value).to_owned());
        } else if name.starts_with("CONDUIT_") && !CLIENT_VARIABLES.contains(&name) {
            let near = nearest(name, VARIABLES);
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let shown: String = name.chars().take(60).collect();
            warnings
                .push(format!("{FILE_NAME}:{}: {shown} is not known and ignored{hint}", index + 1));
        }
    }
    (values, warnings)
}

/// The value without its quotes, or up to a comment when it has none.
fn unquote(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote))
        {
            return inner;
        }
    }
    let comment = value.find(" #").or_else(|| value.starts_with('#').then_some(0));
    comment.map_or(value, |at| value[..at].trim_end())
}

/// In the order they are laid over each other: of two names for one key the later wins.
const VARIABLES: &[&str] = &[
    "CONDUIT_APP_NAME",
    "CONDUIT_CONFIG_DIR",
    "CONDUIT_DOMAIN",
    "CONDUIT_DNS_PORT",
    "CONDUIT_DNS_UPSTREAM",
    "CONDUIT_CADDY_HTTPS_PORT",
    "CONDUIT_HTTPS_PORT",
    "CONDUIT_HTTP_PORT",
    "CONDUIT_HEALTH_INTERVAL",
    "CONDUIT_DOCKER_SOCKET",
    "CONDUIT_REMOTE_SERVERS",
    "CONDUIT_ALLOWED_UPSTREAMS",
    "CONDUIT_SOCKET",
    "CONDUIT_LOG",
    "CONDUIT_LOG_FORMAT",
    "CONDUIT_OTLP",
    "CONDUIT_CADDY_ADMIN",
];
/// Read elsewhere: before any configuration is.
const CLIENT_VARIABLES: &[&str] = &["CONDUIT_CONFIG"];
