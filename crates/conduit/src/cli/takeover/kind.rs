//! What kind of file it is: by its name, else by what is in it.

use std::net::IpAddr;
use std::path::Path;

use super::super::args::KindArg;
use super::super::exit::Failure;

/// The kind of a file.
pub(super) fn of(path: &Path, text: &str) -> Result<KindArg, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let by_name = match name.as_str() {
        "caddyfile" => Some(KindArg::Caddyfile),
        "hosts" => Some(KindArg::Hosts),
        _ if name.ends_with(".env.conduit") || name.ends_with(".env") => Some(KindArg::Env),
        _ if name.ends_with(".json") || name.ends_with(".toml") => Some(KindArg::Services),
        _ if name.contains("caddyfile") => Some(KindArg::Caddyfile),
        _ if name.contains("dnsmasq") => Some(KindArg::Dnsmasq),
        _ => None,
    };
    by_name.or_else(|| by_content(text)).ok_or_else(|| {
        Failure::usage(format!("{}: what kind of file this is cannot be seen", path.display()))
            .hint("say it with --kind")
    })
}

fn by_content(text: &str) -> Option<KindArg> {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.clone().next()?;
    if first.starts_with(['{', '[']) && !first.ends_with('{') && first != "{" {
        return Some(KindArg::Services);
    }
    if text.trim_start().starts_with('{') && serde_json::from_str::<serde_json::Value>(text).is_ok()
    {
        return Some(KindArg::Services);
    }
    let is_address = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        word.split('%').next().is_some_and(|word| word.parse::<IpAddr>().is_ok())
    };
    if lines.clone().all(is_address) {
        return Some(KindArg::Hosts);
    }
    if lines.clone().all(|line| line.trim_start_matches("export ").starts_with("CONDUIT_")) {
        return Some(KindArg::Env);
    }
    if lines.clone().any(|line| line.ends_with('{')) {
        return Some(KindArg::Caddyfile);
    }
    let is_option = |line: &str| {
        let option = line.split(['=', '#']).next().unwrap_or_default().trim();
        !option.is_empty() && option.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    lines.all(is_option).then_some(KindArg::Dnsmasq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_seen() {
        use KindArg::{Caddyfile, Dnsmasq, Env, Hosts, Services};
        for (name, text, expected) in [
            ("/etc/hosts", "", Some(Hosts)),
            ("Caddyfile", "", Some(Caddyfile)),
            ("/x/dnsmasq.conf", "", Some(Dnsmasq)),
            (".env.conduit", "", Some(Env)),
            ("services.json", "", Some(Services)),
            ("x", "# a\n10.0.0.1 a b\nfe80::1%eth0 c", Some(Hosts)),
            ("x", "{\"services\": []}", Some(Services)),
            ("x", "{\n  \"services\": []\n}", Some(Services)),
            ("x", "{\n\temail a@b\n}\na.internal {\n}", Some(Caddyfile)),
            ("x", "a.internal {\n\treverse_proxy :80\n}", Some(Caddyfile)),
            ("x", "CONDUIT_DOMAIN=internal\nexport CONDUIT_LOG=info", Some(Env)),
            ("x", "no-resolv\nserver=1.1.1.1", Some(Dnsmasq)),
            ("x", "no-resolv # none\n--domain=lan", Some(Dnsmasq)),
            ("x", "what is this?", None),
            ("x", "", None),
        ] {
            assert_eq!(of(Path::new(name), text).ok(), expected, "{name} {text:?}");
        }
    }
}
