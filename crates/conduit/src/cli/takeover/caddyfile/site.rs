//! The directives of one site.

use conduit_api::v1::services::RegisterService;
use conduit_core::policy::Policy;
use serde_json::{Map, Value, json};

use super::super::found::{Found, Place};
use super::super::source::Lines;
use super::blocks::Line;
use super::proxy;

/// What is known before its directives are read.
pub(super) struct Asked<'a> {
    pub(super) place: &'a Place,
    pub(super) name: String,
    pub(super) hosts: Vec<String>,
    pub(super) is_plain: bool,
}

/// A site while it is read.
#[derive(Default)]
pub(super) struct Site {
    pub(super) upstreams: Vec<String>,
    pub(super) protocol: Option<&'static str>,
    pub(super) health: Option<String>,
    /// As a policy is written.
    pub(super) policy: Map<String, Value>,
}

/// The service of a site; what cannot be carried over is told.
pub(super) fn service(
    lines: &Lines,
    asked: Asked<'_>,
    block: &[Line],
    found: &mut Found,
) -> Option<RegisterService> {
    let mut site = Site::default();
    directives(lines, block, "/", &mut site, found);
    let Asked { place, name, hosts, is_plain } = asked;
    if site.upstreams.is_empty() {
        found.leave(
            place,
            &hosts.join(", "),
            "there is no reverse_proxy whose upstreams are known",
        );
        return None;
    }
    let policy: Policy = match serde_json::from_value(Value::Object(site.policy)) {
        Ok(policy) => policy,
        Err(error) => {
            found.leave(place, &hosts.join(", "), format!("what is asked of its traffic: {error}"));
            Policy::default()
        }
    };
    let mut hosts = hosts.into_iter();
    Some(RegisterService {
        name,
        domain: hosts.next(),
        aliases: hosts.collect(),
        upstreams: site.upstreams,
        protocol: site.protocol.map(str::to_owned),
        tls: is_plain.then_some(false),
        // Without a certificate a name is answered directly, unless it is said otherwise.
        dns: is_plain.then(|| "gateway".to_owned()),
        health: site.health,
        policy: (!policy.is_empty()).then(|| Box::new(policy)),
        ..RegisterService::default()
    })
}

/// Takes directives over that are about paths below `path`.
pub(super) fn directives(
    lines: &Lines,
    block: &[Line],
    path: &str,
    site: &mut Site,
    found: &mut Found,
) {
    for line in block {
        let Some((directive, words)) = line.words.split_first() else {
            continue;
        };
        if let Err(reason) = directive_of(lines, directive, words, line, path, site, found) {
            found.leave(&lines.place(line.number), &line.words.join(" "), reason);
        }
    }
}

fn directive_of(
    lines: &Lines,
    directive: &str,
    words: &[String],
    line: &Line,
    path: &str,
    site: &mut Site,
    found: &mut Found,
) -> Result<(), String> {
    let (matcher, rest) = matched(words);
    match directive {
        "reverse_proxy" => proxy::take(lines, (matcher, rest), line, path, site, found),
        "handle" | "handle_path" | "route" => {
            let inside = line.block.as_deref().unwrap_or_default();
            let below = beginning(matcher.unwrap_or("*"), path)?;
            if below != path && !site.upstreams.is_empty() {
                return Err(
                    "a service has one pool of upstreams; register another one for this path"
                        .into(),
                );
            }
            directives(lines, inside, &below, site, found);
            if directive == "handle_path" && below != "/" && !site.upstreams.is_empty() {
                site.push("rewrites", json!({ "from": below, "to": "/" }));
            }
            Ok(())
        }
        "tls" if words.iter().all(|word| word == "internal") && line.block.is_none() => Ok(()),
        "tls" => Err("certificates are the gateway's own".into()),
        "redir" => redirect(words, path, site),
        "uri" if words.first().is_some_and(|word| word == "strip_prefix") => {
            let from = words.get(1).ok_or("there is no prefix")?;
            site.push("rewrites", json!({ "from": from, "to": "/" }));
            Ok(())
        }
        "encode" => {
            site.policy.insert("compress".into(), json!(true));
            Ok(())
        }
        "basicauth" | "basic_auth" if matcher.is_none_or(|matcher| matcher == "*") => {
            for user in line.block.iter().flatten() {
                let [name, hash, ..] = user.words.as_slice() else {
                    return Err("a user needs a name and a hash".into());
                };
                site.push("basic_auth", json!({ "user": name, "hash": hash }));
            }
            Ok(())
        }
        "header" if matcher.is_none_or(|matcher| matcher == "*") => {
            let own = (!rest.is_empty()).then_some(rest);
            let inside = line.block.iter().flatten().map(|line| line.words.as_slice());
            own.into_iter()
                .chain(inside)
                .try_for_each(|words| site.field("response_headers", words))
        }
        "request_body" => {
            let mut inside = line.block.iter().flatten();
            let size =
                inside.find(|line| line.words.first().is_some_and(|word| word == "max_size"));
            let size =
                size.and_then(|line| line.words.get(1)).ok_or("of this, max_size is understood")?;
            site.policy.insert("body_max".into(), json!(size));
            Ok(())
        }
        "log" => Err("the access log is under [access_log]".into()),
        "import" => Err("snippets are not carried over; write them out".into()),
        "file_server" | "root" | "try_files" | "php_fastcgi" | "respond" | "templates" => {
            Err("Conduit serves no content of its own; put a web server behind it".into())
        }
        "forward_auth" => Err("say it again with --forward-auth of `conduit register`".into()),
        _ => Err("this directive is not carried over".into()),
    }
}

impl Site {
    /// Adds to a list of the policy.
    pub(super) fn push(&mut self, key: &str, value: Value) {
        let list = self.policy.entry(key).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(value);
        }
    }

    /// Sets a key of a table of the policy.
    pub(super) fn set(&mut self, table: &str, key: &str, value: Value) {
        let table = self.policy.entry(table).or_insert_with(|| json!({}));
        if let Value::Object(table) = table {
            table.insert(key.to_owned(), value);
        }
    }

    /// `NAME VALUE` sets a field, and `-NAME` takes it out.
    pub(super) fn field(&mut self, table: &str, words: &[String]) -> Result<(), String> {
        let (name, value) = match words {
            [name] => (name, None),
            [name, value] => (name, Some(value)),
            _ => return Err("a field has a name and a value".into()),
        };
        let fields = self.policy.entry(table).or_insert_with(|| json!({}));
        let Value::Object(fields) = fields else { return Ok(()) };
        match (name.strip_prefix('-'), value) {
            (Some(name), None) => {
                let gone = fields.entry("remove").or_insert_with(|| json!([]));
                if let Value::Array(gone) = gone {
                    gone.push(json!(name));
                }
            }
            (None, Some(value)) if name.starts_with(['+', '>']) || value.contains('{') => {
                return Err("a field is set to a text, or taken out".into());
            }
            (None, Some(value)) => {
                let set = fields.entry("set").or_insert_with(|| json!({}));
                if let Value::Object(set) = set {
                    set.insert(name.trim_start_matches('?').to_owned(), json!(value));
                }
            }
            _ => return Err("a field is set to a text, or taken out".into()),
        }
        Ok(())
    }
}

/// `redir [MATCHER] TO [CODE]`
fn redirect(words: &[String], path: &str, site: &mut Site) -> Result<(), String> {
    let (matcher, rest) = match words {
        // A path alone is where it leads.
        [_] => (None, words),
        [first, _, ..] if first.starts_with('/') && !is_code(&words[1]) => {
            (Some(first.as_str()), &words[1..])
        }
        _ => (None, words),
    };
    let code = match rest.get(1).map(String::as_str) {
        None | Some("temporary") => 302,
        Some("permanent") => 301,
        Some(code) => code.parse::<u16>().map_err(|_| format!("{code:?} is no status"))?,
    };
    let to = rest.first().ok_or("it leads nowhere")?;
    let to = match to.strip_suffix("{uri}") {
        Some(start) => format!("{}/", start.trim_end_matches('/')),
        None => to.clone(),
    };
    if to.contains('{') {
        return Err("of placeholders, {uri} at the end is understood".into());
    }
    let from = beginning(matcher.unwrap_or("*"), path)?;
    site.push("redirects", json!({ "from": from, "to": to, "status": code }));
    Ok(())
}

fn is_code(word: &str) -> bool {
    word.parse::<u16>().is_ok() || matches!(word, "permanent" | "temporary")
}

/// A directive's matcher, and its other words.
pub(super) fn matched(words: &[String]) -> (Option<&str>, &[String]) {
    match words.split_first() {
        Some((first, rest)) if first.starts_with(['/', '@', '*']) => (Some(first.as_str()), rest),
        _ => (None, words),
    }
}

/// The paths that a matcher is about, as the beginning of a path.
pub(super) fn beginning(matcher: &str, path: &str) -> Result<String, String> {
    match matcher.strip_suffix('*') {
        Some("") => Ok(path.to_owned()),
        Some(start) if start.starts_with('/') && !start.contains('*') => {
            Ok(if start == "/" { start.to_owned() } else { start.trim_end_matches('/').to_owned() })
        }
        None if matcher.starts_with('/') => {
            Err("a path is matched by how it begins: write PATH*".into())
        }
        _ => Err("of matchers, the beginning of a path is understood".into()),
    }
}
