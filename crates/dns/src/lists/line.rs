//! Lists of which each line stands by itself: hosts files, names, and what dnsmasq's configuration says
//! about names.

use std::net::IpAddr;

use conduit_core::record::data::RecordData;

use super::entries::Scope;
use super::settings::{Format, Kind};
use super::wish::{Deed, NameBuffer, Wish};

/// Reads one line, and passes on what it asks for.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn read(
    line: &str,
    format: Format,
    kind: Kind,
    give: &mut impl FnMut(Wish),
) -> Result<(), &'static str> {
    let line = without_comment(line)?.trim();
    // Filters begin their comments with one of these, policy zones with the other.
    if line.is_empty() || line.starts_with(['!', ';']) {
        return Ok(());
    }
    let is_dnsmasq = || DNSMASQ.iter().any(|option| line.starts_with(option));
    match format {
        Format::Hosts => hosts(line, kind, give),
        Format::Domains => domains(line, kind, give),
        Format::Dnsmasq => dnsmasq(line, give),
        Format::Auto | Format::Rpz if is_dnsmasq() => dnsmasq(line, give),
        Format::Auto | Format::Rpz => match first_address(line) {
            Some(_) => hosts(line, kind, give),
            None => domains(line, kind, give),
        },
    }
}

/// What stands before the comment.
fn without_comment(line: &str) -> Result<&str, &'static str> {
    let mut each =
        line.match_indices('#').map(|(at, sign)| (&line[..at], &line[at + sign.len()..]));
    // `address=/ads.example/#` has no comment there.
    let Some((before, comment)) = each.find(|(before, _)| !before.ends_with('/')) else {
        return Ok(line);
    };
    // `news.example##.banner`, `#@#` and their kin: the name is where it applies, not what is blocked.
    let is_filter = comment.trim_start_matches(['@', '?', '$', '%']).starts_with('#');
    match is_filter && !before.is_empty() && !before.contains(char::is_whitespace) {
        true => Err("a filter of what pages show is about no name"),
        false => Ok(before),
    }
}

fn first_address(line: &str) -> Option<IpAddr> {
    let first = line.split_whitespace().next()?;
    // A link-local address may name its interface.
    first.split('%').next()?.parse().ok()
}

fn hosts(line: &str, kind: Kind, give: &mut impl FnMut(Wish)) -> Result<(), &'static str> {
    let address = first_address(line).ok_or("the line does not begin with an address")?;
    let mut names = line.split_whitespace().skip(1).peekable();
    if names.peek().is_none() {
        return Err("there is no name behind the address");
    }
    let is_sink = address.is_unspecified() || address.is_loopback();
    let mut first = None;
    let mut wrong = Ok(());
    for text in names {
        if kind != Kind::Hosts && USUAL.contains(&text) {
            continue;
        }
        let name = match NameBuffer::parse(text) {
            Ok(name) => name,
            Err(reason) => {
                wrong = Err(reason);
                continue;
            }
        };
        let deed = match kind {
            Kind::Hosts => Deed::Record(at(address), None),
            Kind::Block | Kind::Allow if is_sink => Deed::Block,
            Kind::Block | Kind::Allow => Deed::Record(at(address), None),
        };
        give(Wish::Name { key: name, scope: Scope::Itself, deed });
        first.get_or_insert(name);
    }
    if let Some(name) = first.filter(|_| kind == Kind::Hosts && !address.is_unspecified()) {
        give(Wish::Pointer { address, name });
    }
    wrong
}

fn domains(line: &str, kind: Kind, give: &mut impl FnMut(Wish)) -> Result<(), &'static str> {
    let line = match (line.strip_prefix("@@"), kind) {
        (Some(exception), Kind::Allow) => exception,
        (Some(_), _) => return Err("an exception belongs in a list with kind = \"allow\""),
        (None, _) => line,
    };
    let text = match line.strip_prefix("||") {
        // `^|` is the same where there is nothing but a name.
        Some(rest) => rest
            .strip_suffix('|')
            .unwrap_or(rest)
            .strip_suffix('^')
            .ok_or("of such filters only ||NAME^ is understood")?,
        None => line.strip_prefix("*.").or_else(|| line.strip_prefix('.')).unwrap_or(line),
    };
    let mut words = text.split_whitespace();
    let name = NameBuffer::parse(words.next().unwrap_or_default())?;
    if words.next().is_some() {
        return Err("there is more than a name");
    }
    give(Wish::Name { key: name, scope: Scope::Tree, deed: Deed::Block });
    Ok(())
}

/// `address=/ONE/OTHER/ADDRESS`, and `local=` and `server=` of names that are asked nowhere.
fn dnsmasq(line: &str, give: &mut impl FnMut(Wish)) -> Result<(), &'static str> {
    let line = line.strip_prefix("--").unwrap_or(line);
    let (option, value) = line.split_once('=').ok_or("this is no option with a value")?;
    let option = option.trim();
    let rest = value.trim().strip_prefix('/').ok_or("it names no domains between slashes")?;
    let (names, answer) = rest.rsplit_once('/').ok_or("a slash is missing behind the domains")?;
    let deed = match (option, answer) {
        ("address" | "local" | "server", "") => Deed::Block,
        ("address", "#") => Deed::Null,
        ("server", "#") => Deed::Pass,
        ("address", answer) => match answer.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => Deed::Null,
            Ok(address) => Deed::Record(at(address), None),
            Err(_) => return Err("behind the domains there is no address"),
        },
        ("local" | "server", _) => return Err("names asked elsewhere belong in [[dns.forward]]"),
        _ => return Err("of dnsmasq's options, lists hold address, local and server"),
    };
    for text in names.split('/') {
        let (text, scope) = match text.strip_prefix("*.") {
            Some(rest) => (rest, Scope::Below),
            None => (text.strip_prefix('.').unwrap_or(text), Scope::Tree),
        };
        let key = NameBuffer::parse(text)?;
        give(Wish::Name { key, scope, deed: deed.clone() });
    }
    Ok(())
}

fn at(address: IpAddr) -> RecordData {
    match address.to_canonical() {
        IpAddr::V4(v4) => RecordData::A(v4),
        IpAddr::V6(v6) => RecordData::Aaaa(v6),
    }
}

const DNSMASQ: [&str; 3] = ["address=", "local=", "server="];
/// What published hosts files begin with, so that they can stand in place of `/etc/hosts`.
const USUAL: [&str; 13] = [
    "0.0.0.0",
    "broadcasthost",
    "ip6-allhosts",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-localhost",
    "ip6-localnet",
    "ip6-loopback",
    "ip6-mcastprefix",
    "local",
    "localhost",
    "localhost.localdomain",
    "localhost6",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str, kind: Kind) -> String {
        let mut all = Vec::new();
        let read = read(line, Format::Auto, kind, &mut |wish| {
            all.push(match wish {
                Wish::Name { key, scope, deed: Deed::Record(data, _) } => {
                    format!("{key:?} {scope:?} {data}")
                }
                Wish::Name { key, scope, deed } => format!("{key:?} {scope:?} {deed:?}"),
                Wish::Pointer { address, name } => format!("{address} is {name:?}"),
                Wish::Net { .. } => "net".to_owned(),
            });
        });
        if let Err(reason) = read {
            all.push(format!("! {reason}"));
        }
        all.join("; ")
    }

    #[test]
    fn each_form_is_recognised() {
        for (line, expected) in [
            ("", ""),
            ("  # nothing", ""),
            ("! a filter's comment", ""),
            ("; a policy zone's", ""),
            ("news.example##.banner", "! a filter of what pages show is about no name"),
            ("news.example#@#.banner", "! a filter of what pages show is about no name"),
            (
                "news.example#$?#.banner { remove: true; }",
                "! a filter of what pages show is about no name",
            ),
            ("##.banner", ""),
            ("ads.example#theirs", "ads.example Tree Block"),
            ("ads.example ## theirs", "ads.example Tree Block"),
            ("address=/a.example/# # theirs", "a.example Tree Null"),
            ("||ads.example^|", "ads.example Tree Block"),
            ("0.0.0.0 ads.Example # theirs", "ads.example Itself Block"),
            ("127.0.0.1\tlocalhost", ""),
            (":: a.example b.example", "a.example Itself Block; b.example Itself Block"),
            ("10.0.0.9 nas.example", "nas.example Itself 10.0.0.9"),
            ("0.0.0.0", "! there is no name behind the address"),
            (
                "0.0.0.0 ok.example b*d",
                "ok.example Itself Block; ! this is no name in letters, digits, - and _",
            ),
            ("ads.example.", "ads.example Tree Block"),
            ("*.ads.example", "ads.example Tree Block"),
            ("||ads.example^", "ads.example Tree Block"),
            ("||ads.example^$third-party", "! of such filters only ||NAME^ is understood"),
            ("@@||ads.example^", "! an exception belongs in a list with kind = \"allow\""),
            ("ads..example", "! a part of the name is empty or longer than 63 characters"),
            ("tüv.example", "! this is no name in letters, digits, - and _"),
            ("two names", "! there is more than a name"),
            ("address=/a.example/b.example/", "a.example Tree Block; b.example Tree Block"),
            ("address=/a.example/#", "a.example Tree Null"),
            ("address=/a.example/10.0.0.1", "a.example Tree 10.0.0.1"),
            ("address=/*.a.example/fd00::1", "a.example Below fd00::1"),
            ("local=/a.example/", "a.example Tree Block"),
            ("server=/a.example/#", "a.example Tree Pass"),
            ("server=/a.example/10.0.0.1", "! names asked elsewhere belong in [[dns.forward]]"),
            ("address=/a.example", "! a slash is missing behind the domains"),
            ("address=a.example/", "! it names no domains between slashes"),
        ] {
            assert_eq!(told(line, Kind::Block), expected, "{line}");
        }
    }

    #[test]
    fn an_exception_is_understood_where_it_belongs() {
        for line in ["@@||ok.example^", "@@||ok.example^|", "||ok.example^", "ok.example"] {
            assert_eq!(told(line, Kind::Allow), "ok.example Tree Block", "{line}");
        }
        let refused = "! of such filters only ||NAME^ is understood";
        assert_eq!(told("@@||ok.example^$client=10.0.0.1", Kind::Allow), refused);
    }

    #[test]
    fn a_hosts_file_gives_addresses_and_the_way_back() {
        for (line, expected) in [
            (
                "10.0.0.5 nas.lan nas",
                "nas.lan Itself 10.0.0.5; nas Itself 10.0.0.5; 10.0.0.5 is nas.lan",
            ),
            ("::1 localhost", "localhost Itself ::1; ::1 is localhost"),
            ("fe80::1%eth0 r.lan", "r.lan Itself fe80::1; fe80::1 is r.lan"),
            ("0.0.0.0 ads.lan", "ads.lan Itself 0.0.0.0"),
        ] {
            assert_eq!(told(line, Kind::Hosts), expected, "{line}");
        }
    }
}
