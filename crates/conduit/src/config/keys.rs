//! The keys as data: their values in words, and what a change of each one takes.
//!
//! `conduit config show`, reloading and the tests of the shipped file all read this one list.
//!
//! **Invariant:** every key of the file is listed, and what is shown parses to the same
//! configuration, but for the URLs of channels, of which only the host is shown.

mod dns;

use std::path::PathBuf;

use conduit_core::actor::Role;
use conduit_core::duration::print;
use conduit_core::node::Node;
use conduit_core::policy::Size;
use conduit_monitor::channel::file::ChannelFile;
use conduit_monitor::secret::SecretFrom;
use serde::Serialize;
use toml::Value;

use super::check::defaults;
use super::{Config, Oidc, Surroundings};

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that apply at once.
    pub dynamic: Vec<&'static str>,
    /// Keys that are read once, at start.
    pub needs_restart: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.dynamic.is_empty() && self.needs_restart.is_empty()
    }
}

/// What a change of a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Applied by a reload.
    Dynamic,
    /// Read once, at start.
    Static,
}

/// One key with its effective value.
#[derive(Debug)]
struct Entry {
    key: &'static str,
    kind: Kind,
    value: Value,
    /// What a change is told by as well, and nobody is shown.
    hidden: Option<Value>,
}

impl Config {
    /// The same as [`Config::show`], for programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let table = self.show().parse::<toml::Table>().ok();
        table.and_then(|table| serde_json::to_value(table).ok()).unwrap_or_default()
    }

    /// The effective configuration as a file; it holds no secrets, since none are configured.
    pub fn show(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for entry in self.entries() {
            let (head, name) = split(entry.key);
            if head != section {
                if !section.is_empty() {
                    text.push('\n');
                }
                text.push_str(&format!("[{head}]\n"));
                section = head;
            }
            text.push_str(&format!("{name} = {}\n", entry.value));
        }
        text
    }

    /// What differs in `next`, by what it takes to apply it.
    pub fn diff(&self, next: &Self) -> Changes {
        let mut changes = Changes::default();
        for (old, new) in self.entries().iter().zip(next.entries()) {
            if (&old.value, &old.hidden) != (&new.value, &new.hidden) {
                match new.kind {
                    Kind::Dynamic => changes.dynamic.push(new.key),
                    Kind::Static => changes.needs_restart.push(new.key),
                }
            }
        }
        changes
    }

    /// What a reload applies.
    #[cfg(test)]
    pub(super) fn dynamic_keys(&self) -> Vec<&'static str> {
        let dynamic = self.entries().into_iter().filter(|entry| entry.kind == Kind::Dynamic);
        dynamic.map(|entry| entry.key).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let mut all = self.head_entries();
        all.extend(dns::entries(&self.dns));
        all.extend(self.plane_entries());
        all.extend(self.tail_entries());
        all.extend(self.oidc_entries());
        all.extend(self.log_entries());
        all
    }

    fn head_entries(&self) -> Vec<Entry> {
        let gateway = &self.gateway;
        vec![
            fixed("gateway.state_dir", path(&gateway.state_dir)),
            fixed("gateway.domains", list(gateway.domains.iter())),
            fixed("gateway.addresses", list(&gateway.addresses)),
            fixed("gateway.user", text(gateway.user.as_deref().unwrap_or(""))),
            fixed("gateway.drain", text(print(gateway.drain))),
            fixed("gateway.upgrade_drain", text(print(gateway.upgrade_drain))),
        ]
    }

    fn plane_entries(&self) -> Vec<Entry> {
        let Self { tls, proxy, upstreams, health, .. } = self;
        vec![
            fixed("tls.enabled", tls.enabled.into()),
            fixed("tls.min_version", text("1.3")),
            fixed("tls.leaf_validity", text(print(tls.leaf_validity))),
            fixed("tls.organization", text(&tls.organization)),
            fixed("proxy.enabled", proxy.enabled.into()),
            fixed("proxy.https_listen", list(&proxy.https_listen)),
            fixed("proxy.http3", proxy.http3.into()),
            fixed("proxy.http_listen", list(&proxy.http_listen)),
            fixed("proxy.workers", number(proxy.workers)),
            fixed("proxy.access_log", proxy.access_log.into()),
            fixed("proxy.trusted_proxies", list(&proxy.trusted_proxies)),
            fixed("proxy.limits.connections", number(proxy.limits.connections)),
            fixed(
                "proxy.limits.connections_per_client",
                number(proxy.limits.connections_per_client),
            ),
            fixed("proxy.limits.idle_timeout", text(print(proxy.limits.idle_timeout))),
            fixed("proxy.limits.head_timeout", text(print(proxy.limits.head_timeout))),
            fixed("proxy.limits.head_size", text(Size(proxy.limits.head_size))),
            fixed("proxy.limits.body_rate", text(Size(proxy.limits.body_rate))),
            fixed("upstreams.allow", list(&upstreams.allow)),
            fixed("upstreams.allow_link_local", upstreams.allow_link_local.into()),
            dynamic("health.interval", text(print(health.interval))),
            dynamic("health.timeout", text(print(health.timeout))),
            dynamic("health.path", text(health.path.as_str())),
            dynamic("health.unhealthy_after", i64::from(health.unhealthy_after).into()),
            dynamic("health.healthy_after", i64::from(health.healthy_after).into()),
        ]
    }

    fn tail_entries(&self) -> Vec<Entry> {
        let Self { monitor, .. } = self;
        let servers = monitor.servers.iter().map(server).collect();
        vec![
            fixed("monitor.enabled", monitor.enabled.into()),
            fixed("monitor.interval", text(print(monitor.interval))),
            fixed("monitor.docker_socket", path(&monitor.docker_socket)),
            fixed("monitor.register_containers", monitor.register_containers.into()),
            fixed("monitor.units", list(&monitor.units)),
            fixed("monitor.servers", Value::Array(servers)),
            dynamic("monitor.rules", tables(&monitor.rules)),
            Entry {
                // Where it differs, though what is shown does not.
                hidden: Some(tables(&monitor.channels)),
                ..dynamic("monitor.channels", channels(&monitor.channels))
            },
            dynamic("monitor.quiet_hours", tables(&monitor.quiet_hours)),
            fixed("monitor.history.fine", text(print(monitor.history.fine))),
            fixed("monitor.history.coarse", text(print(monitor.history.coarse))),
            fixed("monitor.history.size", text(Size(monitor.history.size))),
            fixed("admin.socket", path(&self.admin.socket)),
            fixed("admin.listen", text(self.admin.listen)),
        ]
    }

    fn oidc_entries(&self) -> Vec<Entry> {
        let Oidc { settings, secret } = &self.admin.oidc;
        let (file, variable) = match secret {
            Some(SecretFrom::File(file)) => (path(file), text("")),
            Some(SecretFrom::Variable(name)) => (text(""), text(name)),
            None => (text(""), text("")),
        };
        let groups = |role| list(settings.roles.groups(role));
        vec![
            fixed("admin.oidc.issuer", text(&settings.issuer)),
            fixed("admin.oidc.client_id", text(&settings.client_id)),
            fixed("admin.oidc.secret_file", file),
            fixed("admin.oidc.secret_env", variable),
            fixed("admin.oidc.label", text(&settings.label)),
            fixed("admin.oidc.scopes", list(&settings.scopes)),
            fixed("admin.oidc.name_claim", text(&settings.name_claim)),
            fixed("admin.oidc.roles_claim", text(&settings.roles_claim)),
            fixed("admin.oidc.roles.admin", groups(Role::Admin)),
            fixed("admin.oidc.roles.operator", groups(Role::Operator)),
            fixed("admin.oidc.roles.ca-officer", groups(Role::CaOfficer)),
            fixed("admin.oidc.roles.auditor", groups(Role::Auditor)),
            fixed("admin.oidc.roles.viewer", groups(Role::Viewer)),
        ]
    }

    fn log_entries(&self) -> Vec<Entry> {
        let telemetry = &self.telemetry;
        vec![
            dynamic("log.level", text(&self.log.level)),
            fixed("log.format", text(self.log.format.as_str())),
            fixed("access_log.output", text(&self.access_log.output)),
            fixed("access_log.format", text(self.access_log.format.as_str())),
            fixed("access_log.rotate_size", text(Size(self.access_log.rotate_size))),
            fixed("access_log.keep", i64::from(self.access_log.keep).into()),
            fixed("access_log.compress", self.access_log.compress.into()),
            fixed("query_log.output", text(self.query_log.shown_output())),
            fixed("query_log.format", text(self.query_log.format.as_str())),
            fixed("query_log.rotate_size", text(Size(self.query_log.rotate_size))),
            fixed("query_log.keep", i64::from(self.query_log.keep).into()),
            fixed("query_log.compress", self.query_log.compress.into()),
            fixed(
                "telemetry.otlp",
                text(telemetry.otlp.as_ref().map_or_else(String::new, ToString::to_string)),
            ),
            fixed("telemetry.sample_ratio", telemetry.sample_ratio.share().into()),
            fixed("telemetry.service_name", text(&telemetry.service_name)),
            fixed("telemetry.continue_traces", text(telemetry.callers.as_str())),
            fixed("telemetry.timeout", text(print(telemetry.timeout))),
        ]
    }
}

/// The sections that have a key of this name.
pub(crate) fn sections_with(name: &str) -> Vec<&'static str> {
    let nowhere = Surroundings {
        root: true,
        home: None,
        working_dir: "/".into(),
        variables: std::collections::BTreeMap::new(),
    };
    let all = defaults(&nowhere).entries();
    let keys = all.iter().map(|entry| split(entry.key));
    keys.filter(|(_, key)| *key == name).map(|(section, _)| section).collect()
}

fn split(key: &'static str) -> (&'static str, &'static str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn fixed(key: &'static str, value: Value) -> Entry {
    Entry { key, kind: Kind::Static, value, hidden: None }
}

fn dynamic(key: &'static str, value: Value) -> Entry {
    Entry { key, kind: Kind::Dynamic, value, hidden: None }
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

fn path(value: &std::path::Path) -> Value {
    Value::String(value.to_string_lossy().into_owned())
}

fn number(value: usize) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> Value {
    Value::Array(values.into_iter().map(text).collect())
}

/// Whoever may look at the configuration may not write to the channels: what stands behind the host in
/// a URL is often the secret itself.
fn channels(channels: &[ChannelFile]) -> Value {
    let shown = |channel: &ChannelFile| ChannelFile {
        url: channel.url.as_deref().map(without_secrets),
        ..channel.clone()
    };
    tables(&channels.iter().map(shown).collect::<Vec<_>>())
}

/// Scheme, host and port of a URL.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let (place, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = place.rsplit('@').next().unwrap_or_default();
    let hidden = if path.len() > 1 { format!("/{HIDDEN}") } else { path.to_owned() };
    format!("{scheme}://{host}{hidden}")
}

/// Tables as they were written.
fn tables<T: Serialize>(items: &[T]) -> Value {
    // Invariant: texts, numbers and lists of them always have a form in TOML.
    Value::Array(items.iter().filter_map(|item| Value::try_from(item).ok()).collect())
}

fn server(node: &Node) -> Value {
    let mut table = toml::Table::new();
    table.insert("host".into(), text(node.destination.host()));
    table.insert("label".into(), text(node.name.as_str()));
    let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
    let words = [
        ("user", node.destination.user().map(str::to_owned)),
        ("jump", node.jump.as_ref().map(ToString::to_string)),
        ("key", path(&node.key)),
        ("known_hosts", path(&node.known_hosts)),
    ];
    for (key, value) in words {
        if let Some(value) = value {
            table.insert(key.into(), Value::String(value));
        }
    }
    table.insert("port".into(), i64::from(node.destination.port()).into());
    if !node.tags.is_empty() {
        table.insert("tags".into(), list(&node.tags));
    }
    Value::Table(table)
}

/// What stands for what is not shown.
const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_is_reached_by_is_not_shown_whole() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/key", "https://hooks.example/…"),
            ("https://ntfy.internal/alerts", "https://ntfy.internal/…"),
            ("https://user:key@mail.internal:8443/", "https://mail.internal:8443/"),
            ("https://mail.internal?token=key", "https://mail.internal/…"),
            ("smtp://mail.internal:25", "smtp://mail.internal:25"),
            ("udp://127.0.0.1:514", "udp://127.0.0.1:514"),
            ("no url", "…"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
