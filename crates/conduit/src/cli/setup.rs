//! `conduit setup`: a configuration that lasts, state, authority and record; then what comes next.
//!
//! **Invariant:** run twice it changes nothing more, and what a person wrote into the file stays.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use toml::Value;

use super::args::SetupArgs;
use super::ca::{BUNDLE_NAME, trust_commands};
use super::daemon;
use super::exit::Failure;
use super::output::notice;
use super::resolvers;
use super::session::Session;
use crate::config::edit::{self, Edit};
use crate::config::{Config, ConfigError, Loaded};

/// Writes, creates, and says what comes next.
pub(crate) fn run(session: &Session, args: &SetupArgs) -> Result<(), Failure> {
    let path = session.source.path_to_write();
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(ConfigError::Read { path, source }.into()),
    };
    let base = before.as_deref().unwrap_or(edit::TEMPLATE);
    let current = session.source.judge(Some(path.clone()), base, "")?.config;
    let edits = edits(args, &current, &resolvers::of_this_machine())?;
    let text = edit::apply(base, &edits).map_err(|key| {
        Failure::new(format!("cannot change {key} in {} safely", path.display()))
            .hint(format!("set {key} in the file by hand"))
    })?;
    // Judged before it is written: a refused setup leaves the old file.
    let after = session.source.judge(Some(path.clone()), &text, "")?.config;
    if before.as_deref() != Some(&text) {
        write(&path, &text, &after.gateway.state_dir)?;
    }
    let loaded = session.load()?;
    daemon::initialize(&loaded.config)?;
    let usual = session.source.surroundings().usual_configs().contains(&path);
    session.printer.text(&next_steps(&loaded, (!usual).then_some(&path)))
}

/// The keys that the flags set.
fn edits(
    args: &SetupArgs,
    current: &Config,
    system: &[std::net::IpAddr],
) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    let mut set = |key, value: Value| edits.push(Edit { key, value });
    if let Some(domain) = &args.domain {
        let others = current.gateway.domains.iter().map(ToString::to_string);
        let mut domains = vec![domain.trim().trim_start_matches('.').to_ascii_lowercase()];
        domains.extend(others.filter(|other| *other != domains[0]).collect::<Vec<_>>());
        set("gateway.domains", domains.into());
    }
    if let Some(port) = args.dns_port {
        let listen = current.dns.listen.iter().map(|listen| with_port(&listen.to_string(), port));
        set("dns.listen", listen.collect::<Vec<_>>().into());
    }
    if let Some(port) = args.https_port {
        let listen = current.proxy.https_listen.iter();
        let listen = listen.map(|address| with_port(&address.to_string(), port));
        set("proxy.https_listen", listen.collect::<Vec<_>>().into());
    }
    if !args.upstream_dns.is_empty() {
        set("dns.forwarders", forwarders(&args.upstream_dns, system)?.into());
    }
    if args.skip_dns {
        set("dns.enabled", false.into());
    }
    if args.skip_tls {
        set("tls.enabled", false.into());
    }
    Ok(edits)
}

fn with_port(address: &str, port: u16) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    format!("{host}:{port}")
}

fn forwarders(given: &[String], system: &[std::net::IpAddr]) -> Result<Vec<String>, Failure> {
    let mut forwarders = Vec::new();
    for word in given.iter().flat_map(|words| words.split(',')).map(str::trim) {
        match word {
            "none" | "127.0.0.1" | "" => {}
            "system" if system.is_empty() => {
                return Err(Failure::new("this machine names no DNS server besides itself")
                    .hint("give the address of one: --upstream-dns 192.168.1.1"));
            }
            "system" => {
                let all: Vec<String> = system.iter().map(ToString::to_string).collect();
                notice(&format!("this machine's DNS servers: {}", all.join(", ")));
                forwarders.extend(all);
            }
            address => forwarders.push(address.to_owned()),
        }
    }
    Ok(forwarders)
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn write(path: &Path, text: &str, state_dir: &Path) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    // The state directory holds keys: nobody else may look into it, not even before it has any.
    let (mode, file_mode) = if directory == state_dir { (0o700, 0o600) } else { (0o755, 0o644) };
    DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(failed)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(file_mode)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)?;
    notice(&format!("wrote {}", path.display()));
    Ok(())
}

/// `named` is the file, when commands do not find it by themselves.
fn next_steps(loaded: &Loaded, named: Option<&PathBuf>) -> String {
    let config = &loaded.config;
    let domain = config.gateway.domains.default_suffix();
    let flag = named.map_or_else(String::new, |path| format!(" --config {}", path.display()));
    let mut text = format!(
        "Conduit is set up in {}\n\n\
         1. Start it:              conduit serve{flag}\n\
         2. Register a service:    conduit register grafana 10.0.1.50:3000{flag}\n\
         3. Look at it:            conduit status grafana{flag}\n",
        config.gateway.state_dir.display(),
    );
    if config.dns.enabled {
        text.push_str(&format!(
            "4. Point the clients' DNS at this machine; it answers *.{domain}\n"
        ));
        if config.dns.forward.forwarders.is_empty() {
            text.push_str(
                "   It forwards nothing (air-gap): clients that use it alone lose every other name,\n   \
                 public ones among them. To forward: conduit setup --upstream-dns system\n",
            );
        }
    }
    if config.tls.enabled {
        let bundle = config.gateway.state_dir.join("tls").join("ca.crt");
        let http: Vec<String> = config.proxy.http_listen.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "\nMake the clients trust the authority, each in its own way. The bundle is\n\
             {}; copy it to the client as {BUNDLE_NAME}, or fetch it there.\n\n",
            bundle.display()
        ));
        text.push_str(&trust_commands(domain.as_str(), &http));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, Surroundings};

    fn source() -> Source {
        let surroundings = Surroundings {
            root: false,
            home: Some("/home/ops".into()),
            working_dir: "/srv".into(),
            variables: std::collections::BTreeMap::new(),
        };
        Source::new(None, surroundings)
    }

    fn after(args: &SetupArgs) -> Config {
        let current = source().judge(None, edit::TEMPLATE, "").expect("legal").config;
        let system = ["10.0.0.1".parse().expect("an address")];
        let edits = edits(args, &current, &system).expect("legal");
        let text = edit::apply(edit::TEMPLATE, &edits).expect("edited");
        source().judge(None, &text, "").expect("legal").config
    }

    #[test]
    fn flags_last_in_the_file() {
        let config = after(&SetupArgs {
            domain: Some("Clinic.lan".into()),
            dns_port: Some(1053),
            https_port: Some(8443),
            upstream_dns: vec!["system".into(), "10.0.0.2:5353".into()],
            skip_dns: false,
            skip_tls: true,
        });
        assert_eq!(config.gateway.domains.listed(), "clinic.lan, internal, local, test");
        assert_eq!(config.dns.listen[0].to_string(), "auto:1053");
        let https: Vec<u16> = config.proxy.https_listen.iter().map(|a| a.port()).collect();
        assert_eq!(https, [8443, 8443]);
        let forwarders: Vec<String> =
            config.dns.forward.forwarders.iter().map(ToString::to_string).collect();
        assert_eq!(forwarders, ["10.0.0.1:53", "10.0.0.2:5353"]);
        assert!(config.dns.enabled && !config.tls.enabled);
    }

    #[test]
    fn no_flags_write_the_defaults() {
        let defaults = source().judge(None, "", "").expect("legal").config;
        assert_eq!(after(&SetupArgs::default()), defaults);
    }

    #[test]
    fn the_next_steps_say_what_an_air_gap_costs() {
        let loaded = source().judge(None, edit::TEMPLATE, "").expect("legal");
        let text = next_steps(&loaded, Some(&"/x/conduit.toml".into()));
        assert!(text.contains("conduit serve --config /x/conduit.toml"), "{text}");
        assert!(text.contains("air-gap"), "{text}");
        assert!(text.contains("/home/ops/.config/qp-conduit/tls/ca.crt"), "{text}");
    }
}
