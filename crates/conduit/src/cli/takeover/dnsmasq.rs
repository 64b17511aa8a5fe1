//! `dnsmasq.conf`, with the files that it names.
//!
//! **Invariant:** every line that is no comment ends in a record, in a key of the configuration, or in the
//! list of what is not carried over; none is lost in silence, but for those that ask for what is so anyway.

mod listed;
mod names;
mod options;
mod servers;

use std::fs;
use std::path::{Path, PathBuf};

use toml::Value;

use super::found::{Found, Place};
use super::source::{FILES_MAX, Lines};

/// What is gathered until the end.
#[derive(Debug, Default)]
struct Gathered {
    /// Files that were read or named.
    files: Vec<PathBuf>,
    no_hosts: bool,
    no_resolv: bool,
    /// `resolv-file`, which is read unless `no-resolv` stands somewhere.
    resolv_files: Vec<(Place, String)>,
    listen: Vec<String>,
    port: Option<u16>,
    domain: Option<String>,
    stops_rebind: bool,
    validates: bool,
    /// Zones below the root with trust anchors.
    anchored: Vec<String>,
}

/// Takes a file over.
pub(crate) fn read(lines: &Lines, path: &Path, found: &mut Found) {
    let mut gathered = Gathered { files: vec![path.to_owned()], ..Gathered::default() };
    // The domain stands behind names wherever in the file it is.
    let domains = lines.iter().filter_map(|(_, text)| match option_of(text)? {
        (option, Some(value)) if option == "domain" => domain(&value),
        _ => None,
    });
    gathered.domain = domains.last();
    file(lines, found, &mut gathered);
    finish(&lines.place(1), found, &gathered);
}

fn file(lines: &Lines, found: &mut Found, gathered: &mut Gathered) {
    for (place, text) in lines.iter() {
        if let Some((option, value)) = option_of(text)
            && let Err(reason) = line(&place, &option, value.as_deref(), found, gathered)
        {
            found.leave(&place, text.trim(), reason);
        }
    }
}

fn line(
    place: &Place,
    option: &str,
    value: Option<&str>,
    found: &mut Found,
    gathered: &mut Gathered,
) -> Result<(), String> {
    match (option, value) {
        ("conf-file" | "servers-file", Some(path)) => {
            include(place, Path::new(path), found, gathered)
        }
        ("conf-dir", Some(value)) => directory(place, value, found, gathered),
        ("addn-hosts", Some(path)) if !Path::new(path).is_dir() => {
            found.settings.push("dns.hosts_files", path);
            Ok(())
        }
        ("addn-hosts" | "hostsdir", Some(path)) => {
            let files = entries(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
            for file in files {
                found.settings.push("dns.hosts_files", file.display().to_string());
            }
            Err("its files of now are in dns.hosts_files; those that come later are not".to_owned())
        }
        _ => {
            let is_name = names::take(place, option, value, found, gathered.domain.as_deref())?;
            if is_name || servers::take(place, option, value, found, gathered)? {
                return Ok(());
            }
            options::take(option, value, found, gathered)
        }
    }
}

fn include(
    place: &Place,
    path: &Path,
    found: &mut Found,
    gathered: &mut Gathered,
) -> Result<(), String> {
    if gathered.files.iter().any(|known| known == path) {
        return Err("the file was read already".to_owned());
    }
    if gathered.files.len() >= FILES_MAX {
        return Err(format!("more than {FILES_MAX} files are named"));
    }
    gathered.files.push(path.to_owned());
    // A relative path is relative to where dnsmasq was started, which is seldom where we are.
    let beside = Path::new(&*place.file).parent().map(|parent| parent.join(path));
    let path = match (path.exists(), beside) {
        (false, Some(beside)) if path.is_relative() => beside,
        _ => path.to_owned(),
    };
    let lines = Lines::read(&path).map_err(|failure| failure.message)?;
    if listed::is_list(&lines, found) {
        let path = std::path::absolute(&path).unwrap_or(path);
        return found.settings.list_file(&path.display().to_string(), "dnsmasq");
    }
    file(&lines, found, gathered);
    Ok(())
}

/// `conf-dir=/etc/dnsmasq.d/,*.conf` or `conf-dir=/etc/dnsmasq.d,.bak`.
fn directory(
    place: &Place,
    value: &str,
    found: &mut Found,
    gathered: &mut Gathered,
) -> Result<(), String> {
    let mut parts = value.split(',').map(str::trim);
    let path = Path::new(parts.next().unwrap_or_default());
    let (only, without): (Vec<&str>, Vec<&str>) =
        parts.filter(|part| !part.is_empty()).partition(|part| part.starts_with('*'));
    let files = entries(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fits = |end: &&str| name.ends_with(end.trim_start_matches('*'));
        let is_meant = only.is_empty() || only.iter().any(fits);
        if !is_meant || without.iter().any(fits) {
            continue;
        }
        if let Err(reason) = include(place, &file, found, gathered) {
            found.leave(place, &file.display().to_string(), reason);
        }
    }
    Ok(())
}

/// The files of a directory that dnsmasq would read, by name.
fn entries(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)?.take(ENTRIES_MAX) {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_hidden = name.starts_with(['.', '#']) || name.ends_with('~');
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What is only known at the end.
fn finish(place: &Place, found: &mut Found, gathered: &Gathered) {
    if !gathered.no_hosts {
        found.settings.push("dns.hosts_files", "/etc/hosts");
    }
    servers::finish(place, found, gathered);
    match (gathered.listen.as_slice(), gathered.port) {
        (_, Some(0)) => found.settings.set("dns.enabled", false),
        ([], None) => {}
        ([], Some(port)) => found.settings.push("dns.listen", format!("auto:{port}")),
        (all, port) => {
            for address in all {
                let host =
                    if address.contains(':') { format!("[{address}]") } else { address.clone() };
                found.settings.push("dns.listen", format!("{host}:{}", port.unwrap_or(DNS_PORT)));
            }
        }
    }
    if gathered.validates {
        found.settings.unjudged_forwards(&gathered.anchored);
    }
    let left = found.settings.forwards_left();
    if left > 0 {
        let reason = "the configuration has no room for so many names with servers of their own";
        found.leave(place, &format!("{left} names of server= or local="), reason);
    }
    if !gathered.stops_rebind {
        found.settings.set("dns.rebind_protection", false);
    }
    if let Some(domain) = gathered.domain.as_ref().filter(|domain| !found.is_ours(domain)) {
        let domains = found.domains.iter().cloned().chain([domain.clone()]);
        let domains: Vec<Value> = domains.map(Value::from).collect();
        found.settings.set("gateway.domains", domains);
        let reason = format!(
            "{domain} is no domain of the gateway: add it to gateway.domains, restart, and import again, so \
             that its names become records"
        );
        found.leave(place, &format!("domain={domain}"), reason);
    }
}

/// The domain that stands behind names, unless it is that of a part of the network, or of resolv.conf.
fn domain(value: &str) -> Option<String> {
    let is_one = !value.is_empty() && value != "#" && !value.contains(',');
    is_one.then(|| value.to_ascii_lowercase())
}

/// The option of a line and its value; `None` for comments.
fn option_of(line: &str) -> Option<(String, Option<String>)> {
    let line = bare(line);
    let (option, value) = match line.split_once('=') {
        Some((option, value)) => (option, Some(value.trim().to_owned())),
        None => (line.split_whitespace().next()?, None),
    };
    Some((option.trim().trim_start_matches("--").to_owned(), value))
}

/// A line without its comment and quotes.
fn bare(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut is_quoted = false;
    let mut before = ' ';
    let mut characters = line.trim().chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => text.extend(characters.next()),
            '#' if !is_quoted && before.is_whitespace() => break,
            // So that a text keeps its commas.
            ',' if is_quoted => text.push(COMMA),
            _ => text.push(c),
        }
        before = c;
    }
    text.trim().to_owned()
}

/// The parts of a value between commas.
fn parts(value: &str) -> Vec<String> {
    value.split(',').map(|part| part.trim().replace(COMMA, ",")).collect()
}

/// Stands for a comma inside quotes.
const COMMA: char = '\u{1}';
/// Of one directory.
const ENTRIES_MAX: usize = 10_000;
const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests;
