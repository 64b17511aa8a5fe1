//! Options that give names something.

use std::net::IpAddr;

use conduit_core::record::kind::RecordType;

use super::super::found::{Found, Place};
use super::parts;

/// Takes an option over; false when it is none of these.
pub(super) fn take(
    place: &Place,
    option: &str,
    value: Option<&str>,
    found: &mut Found,
    domain: Option<&str>,
) -> Result<bool, String> {
    let value = value.unwrap_or_default();
    match option {
        "address" => address(place, value, found)?,
        "host-record" => host_record(place, value, found)?,
        "cname" => alias(place, value, found)?,
        "mx-host" => mail(place, value, found)?,
        "srv-host" => service(place, value, found, domain)?,
        "txt-record" => text(place, value, found)?,
        "ptr-record" => pointer(place, value, found)?,
        "caa-record" => authority(place, value, found)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `address=/ONE/OTHER/ADDRESS`: the names with everything below them.
fn address(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let rest = value.strip_prefix('/').ok_or("it names no domains between slashes")?;
    let (names, answer) = rest.rsplit_once('/').ok_or("a slash is missing behind the domains")?;
    let addresses: Vec<IpAddr> = match answer {
        "" => Vec::new(),
        "#" => vec![IpAddr::from([0; 4]), IpAddr::from([0; 16])],
        address => vec![address.parse().map_err(|_| format!("{address:?} is no address"))?],
    };
    // A dot in front says nothing more.
    for name in names.split('/').map(|name| name.trim_start_matches('.')) {
        if name == "#" || name.is_empty() {
            return Err("an answer for every name there is cannot be carried over".to_owned());
        }
        if !found.is_ours(name) {
            found.settings.line(LIST, "dnsmasq", format!("address=/{name}/{answer}"))?;
            continue;
        }
        if addresses.is_empty() {
            found.leave(place, name, "a name of ours that nobody registered does not exist anyway");
        }
        let (itself, below) = match name.strip_prefix("*.") {
            Some(rest) => (None, rest),
            None => (Some(name), name),
        };
        for address in &addresses {
            if let Some(itself) = itself {
                found.address(place, itself, *address, None)?;
            }
            found.address(place, &format!("*.{below}"), *address, None)?;
        }
    }
    Ok(())
}

/// `host-record=NAME,NAME,ADDRESS,ADDRESS,TTL`
fn host_record(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let (mut names, mut addresses, mut ttl) = (Vec::new(), Vec::new(), None);
    for part in parts(value) {
        match (part.parse::<IpAddr>(), part.parse::<u32>()) {
            (Ok(address), _) => addresses.push(address),
            (_, Ok(seconds)) => ttl = Some(seconds),
            _ => names.push(part),
        }
    }
    if names.is_empty() || addresses.is_empty() {
        return Err("it needs a name and an address".to_owned());
    }
    for name in &names {
        for address in &addresses {
            found.address(place, name, *address, ttl)?;
        }
    }
    // The zone knows the way back to names of ours by itself.
    if let Some(name) = names.first().filter(|name| !found.is_ours(name)) {
        for address in &addresses {
            found.record(place, &reverse(*address), RecordType::Ptr, name, ttl)?;
        }
    }
    Ok(())
}

/// The reverse name of an address.
fn reverse(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let digits = (0..32).map(|digit| format!("{:x}.", bits >> (4 * digit) & 0xf));
            digits.collect::<String>() + "ip6.arpa"
        }
    }
}

/// `cname=ALIAS,ALIAS,TARGET,TTL`
fn alias(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let mut parts = parts(value);
    let ttl = parts.last().and_then(|last| last.parse::<u32>().ok());
    if ttl.is_some() {
        parts.pop();
    }
    let target = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        return Err("it needs an alias and a name".to_owned());
    }
    for alias in parts {
        found.record(place, &alias, RecordType::Cname, &target, ttl)?;
    }
    Ok(())
}

/// `mx-host=NAME,HOST,PREFERENCE`
fn mail(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let parts = parts(value);
    let name = &parts[0];
    let host = parts.get(1).filter(|host| !host.is_empty()).unwrap_or(name);
    let preference = parts.get(2).map_or("1", String::as_str);
    found.record(place, name, RecordType::Mx, &format!("{preference} {host}"), None)
}

/// `srv-host=_SERVICE._PROTOCOL.NAME,TARGET,PORT,PRIORITY,WEIGHT`
fn service(
    place: &Place,
    value: &str,
    found: &mut Found,
    domain: Option<&str>,
) -> Result<(), String> {
    let parts = parts(value);
    let name = match (parts[0].split('.').count(), domain) {
        (2, Some(domain)) => format!("{}.{domain}", parts[0]),
        _ => parts[0].clone(),
    };
    let number = |at: usize, usual: &str| match parts.get(at) {
        Some(part) if !part.is_empty() => part.clone(),
        _ => usual.to_owned(),
    };
    let target = number(1, ".");
    let data = format!("{} {} {} {target}", number(3, "0"), number(4, "0"), number(2, "1"));
    found.record(place, &name, RecordType::Srv, &data, None)
}

/// `txt-record=NAME,TEXT,TEXT`
fn text(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let parts = parts(value);
    let quoted = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut texts: Vec<String> = parts.iter().skip(1).map(quoted).collect();
    if texts.is_empty() {
        texts.push("\"\"".to_owned());
    }
    found.record(place, &parts[0], RecordType::Txt, &texts.join(" "), None)
}

/// `ptr-record=NAME,TARGET`
fn pointer(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let parts = parts(value);
    let target = parts.get(1).ok_or("it needs a name to lead to")?;
    found.record(place, &parts[0], RecordType::Ptr, target, None)
}

/// `caa-record=NAME,FLAGS,TAG,VALUE`
fn authority(place: &Place, value: &str, found: &mut Found) -> Result<(), String> {
    let parts = parts(value);
    let [name, flags, tag, value] = parts.as_slice() else {
        return Err("it needs a name, flags, a tag and a value".to_owned());
    };
    found.record(place, name, RecordType::Caa, &format!("{flags} {tag} \"{value}\""), None)
}

/// The list of names of elsewhere that `address` was about.
const LIST: &str = "imported";
