//! Response policy zones (draft-vixie-dnsop-dns-rpz), as zone files.
//!
//! The library's reader of zone files makes a whole zone of boxed records, several hundred octets for each
//! name, and refuses the file for one wrong line. This one reads record by record, passes each on, and
//! leaves the data to the types that operators' records have.
//!
//! **Invariant:** one record at a time is in memory, and it is bounded.

use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use ipnet::IpNet;

use super::entries::Scope;
use super::wish::{Deed, NameBuffer, Wish};

/// Reads records from lines.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What relative names are below; with a dot at its end.
    origin: String,
    /// The zone's own name, which triggers are below.
    zone: String,
    owner: String,
    ttl: Option<u32>,
    /// A record that goes on in the next line, and whether it began with a blank.
    open: Option<String>,
    /// The line where it began.
    since: u32,
}

impl Reader {
    /// Reads a line; a record is passed on once it is complete, with the number of its first line.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    pub(crate) fn line(
        &mut self,
        line: &str,
        number: u32,
        give: &mut impl FnMut(u32, Wish),
    ) -> Result<(), &'static str> {
        let is_first = self.open.is_none();
        let mut text = self.open.take().unwrap_or_default();
        if is_first {
            self.since = number;
        } else {
            text.push(' ');
        }
        let depth = strip(line, depth_of(&text), &mut text)?;
        if depth > 0 {
            if text.len() > RECORD_BYTES_MAX {
                return Err(UNFINISHED);
            }
            self.open = Some(text);
            return Ok(());
        }
        let text = text.replace(OPEN, " ");
        match text.trim().is_empty() {
            true => Ok(()),
            false => self.record(&text, give),
        }
    }

    /// Where a record began that did not end, and what of it was read.
    pub(crate) fn unfinished(&self) -> Option<(u32, String)> {
        self.open.as_ref().map(|text| (self.since, text.replace(OPEN, "(")))
    }

    fn record(&mut self, text: &str, give: &mut impl FnMut(u32, Wish)) -> Result<(), &'static str> {
        let mut rest = text;
        if !text.starts_with([' ', '\t']) {
            let first = word(&mut rest);
            if first.eq_ignore_ascii_case("$origin") {
                self.origin = absolute(word(&mut rest), &self.origin);
                return Ok(());
            }
            if first.eq_ignore_ascii_case("$ttl") {
                self.ttl = Some(seconds(word(&mut rest)).ok_or("$TTL is no number of seconds")?);
                return Ok(());
            }
            if first.starts_with('$') {
                return Err("of directives, $ORIGIN and $TTL are understood");
            }
            self.owner = absolute(first, &self.origin);
        }
        let mut ttl = self.ttl;
        let kind = loop {
            let next = word(&mut rest);
            match next {
                "" => return Err("there is no type"),
                _ if next.eq_ignore_ascii_case("in") => {}
                _ => match seconds(next) {
                    Some(own) => ttl = Some(own),
                    None => break next.to_ascii_uppercase(),
                },
            }
        };
        match kind.as_str() {
            "SOA" => {
                self.zone.clone_from(&self.owner);
                return Ok(());
            }
            "NS" => return Ok(()),
            _ => {}
        }
        let deed = self.deed(&kind, rest.trim(), ttl)?;
        let wish = self.trigger(deed)?;
        give(self.since, wish);
        Ok(())
    }

    fn deed(&self, kind: &str, data: &str, ttl: Option<u32>) -> Result<Deed, &'static str> {
        let kind: RecordType = kind.parse().map_err(|_| "records of this type cannot be told")?;
        let data = match kind {
            RecordType::Cname => absolute(data, &self.origin),
            _ => data.to_owned(),
        };
        match (kind, data.as_str()) {
            (RecordType::Cname, ".") => Ok(Deed::NxDomain),
            (RecordType::Cname, "*.") => Ok(Deed::NoData),
            (RecordType::Cname, "rpz-passthru.") => Ok(Deed::Pass),
            (RecordType::Cname, "rpz-drop.") => Ok(Deed::Drop),
            (RecordType::Cname, "rpz-tcp-only.") => Ok(Deed::TcpOnly),
            (RecordType::Cname, target) if target.starts_with("*.") => {
                Err("an alias to a wildcard is not carried")
            }
            // An alias to itself is the old way to let a name pass.
            (RecordType::Cname, target) if *target == self.owner_name() => Ok(Deed::Pass),
            (kind, data) => {
                let data = RecordData::parse(kind, data)
                    .map_err(|_| "the data is not that of its type")?;
                Ok(Deed::Record(data, ttl.map(|ttl| ttl.min(TTL_S_MAX))))
            }
        }
    }

    /// The owner, without the zone's name: with the dot at its end.
    fn owner_name(&self) -> String {
        let head = match self.zone.as_str() {
            "" | "." => None,
            zone => self.owner.strip_suffix(zone).filter(|head| head.ends_with('.')),
        };
        head.unwrap_or(&self.owner).to_owned()
    }

    fn trigger(&self, deed: Deed) -> Result<Wish, &'static str> {
        let owner = self.owner_name();
        let name = owner.trim_end_matches('.');
        if let Some(labels) = name.strip_suffix(".rpz-ip") {
            let net = network(labels).ok_or("this is no network as rpz-ip has it")?;
            return Ok(Wish::Net { net, deed });
        }
        for (suffix, reason) in NOT_CARRIED {
            if name.ends_with(suffix) {
                return Err(reason);
            }
        }
        if self.owner == self.zone {
            return Err("the zone's own name triggers nothing");
        }
        let (text, scope) = match name.strip_prefix("*.") {
            Some(rest) => (rest, Scope::Below),
            None => (name, Scope::Itself),
        };
        Ok(Wish::Name { key: NameBuffer::parse(text)?, scope, deed })
    }
}

/// `24.0.2.0.192`: the length of the prefix, and the address backwards; `zz` is `::`.
fn network(labels: &str) -> Option<IpNet> {
    let (prefix, rest) = labels.split_once('.')?;
    let mut parts: Vec<&str> = rest.split('.').collect();
    parts.reverse();
    let is_v4 = parts.len() == 4 && !parts.contains(&"zz");
    let address = if is_v4 {
        parts.join(".")
    } else {
        let text = parts.join(":").replace("zz", "");
        // At either end the two colons are one too few.
        match (parts.first(), parts.last()) {
            (Some(&"zz"), Some(&"zz")) => "::".to_owned(),
            (Some(&"zz"), _) | (_, Some(&"zz")) if text.starts_with(':') => format!(":{text}"),
            (_, Some(&"zz")) => format!("{text}:"),
            _ => text,
        }
    };
    format!("{address}/{prefix}").parse::<IpNet>().ok().filter(|net| net.trunc() == *net)
}

/// Appends a line without its comment; gives how many parentheses are open.
fn strip(line: &str, mut depth: usize, text: &mut String) -> Result<usize, &'static str> {
    let mut is_quoted = false;
    let mut characters = line.trim_end().chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                text.push(c);
                text.extend(characters.next());
                continue;
            }
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => break,
            '(' if !is_quoted => {
                depth += 1;
                text.push(OPEN);
                continue;
            }
            ')' if !is_quoted => {
                depth = depth.checked_sub(1).ok_or("a parenthesis closes that was not open")?;
                if let Some(at) = text.rfind(OPEN) {
                    text.replace_range(at..at + OPEN.len_utf8(), " ");
                }
                continue;
            }
            _ => {}
        }
        text.push(c);
    }
    if is_quoted {
        return Err("a text is not closed");
    }
    Ok(depth)
}

fn depth_of(text: &str) -> usize {
    text.matches(OPEN).count()
}

/// The next word, which is taken away.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, behind) = text.split_at(end);
    *rest = behind;
    word
}

fn absolute(name: &str, origin: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "@" if origin.is_empty() => ".".to_owned(),
        "@" => origin.to_owned(),
        _ if name.ends_with('.') => name,
        _ if origin.is_empty() || origin == "." => name + ".",
        _ => format!("{name}.{origin}"),
    }
}

/// `300`, or with units as BIND has them: `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(number) => total.checked_add(number),
        None => (!text.is_empty()).then_some(total),
    }
}

/// Why such a record is left out.
pub(crate) const UNFINISHED: &str = "the record between parentheses does not end";
/// Stands for a parenthesis outside of texts.
const OPEN: char = '\u{1}';
/// A record between parentheses.
const RECORD_BYTES_MAX: usize = 65_536;
/// A week, as for records of operators.
const TTL_S_MAX: u32 = 604_800;
/// Triggers that need to be asked for elsewhere, or depend on who asks.
const NOT_CARRIED: [(&str, &str); 3] = [
    (".rpz-nsdname", "names of name servers trigger nothing here (rpz-nsdname)"),
    (".rpz-nsip", "addresses of name servers trigger nothing here (rpz-nsip)"),
    (".rpz-client-ip", "addresses of clients trigger nothing here (rpz-client-ip)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let read = reader.line(line, number, &mut |line, wish| {
                all.push(match wish {
                    Wish::Name { key, scope, deed: Deed::Record(data, ttl) } => {
                        format!("{line} {key:?} {scope:?} {} {data} {ttl:?}", data.kind())
                    }
                    Wish::Name { key, scope, deed } => format!("{line} {key:?} {scope:?} {deed:?}"),
                    Wish::Net { net, deed } => format!("{line} {net} {deed:?}"),
                    Wish::Pointer { .. } => "pointer".to_owned(),
                });
            });
            if let Err(reason) = read {
                all.push(format!("{number} ! {reason}"));
            }
        }
        all
    }

    #[test]
    fn a_policy_zone_is_read() {
        let zone = "$TTL 1h ; a comment\n\
            $ORIGIN rpz.example.\n\
            @ IN SOA ns.example. root.example. (\n  1 3600 ; serial\n  600 86400 60 )\n\
            \x20 IN NS ns.example.\n\
            bad.test CNAME .\n\
            *.bad.test IN CNAME .\n\
            empty.test 60 IN CNAME *.\n\
            ok.bad.test CNAME rpz-passthru.\n\
            old.test CNAME old.test.\n\
            drop.test.rpz.example. CNAME rpz-drop.\n\
            tcp.test CNAME rpz-tcp-only.\n\
            garden.test CNAME garden\n\
            site.test A 10.0.0.1\n\
            \x20 AAAA fd00::1\n\
            txt.test TXT \"a; b\" ( \"c\"\n \"d\" )\n\
            24.0.2.0.192.rpz-ip CNAME .\n\
            128.1.zz.db8.2001.rpz-ip CNAME rpz-passthru.\n\
            ns1.test.rpz-nsdname CNAME .\n\
            32.1.0.0.127.rpz-client-ip CNAME rpz-drop.\n\
            bad CNAME\n\
            x.test WKS 1\n\
            $INCLUDE other\n";
        assert_eq!(
            told(zone),
            [
                "7 bad.test Itself NxDomain",
                "8 bad.test Below NxDomain",
                "9 empty.test Itself NoData",
                "10 ok.bad.test Itself Pass",
                "11 old.test Itself Pass",
                "12 drop.test Itself Drop",
                "13 tcp.test Itself TcpOnly",
                "14 garden.test Itself CNAME garden.rpz.example Some(3600)",
                "15 site.test Itself A 10.0.0.1 Some(3600)",
                "16 site.test Itself AAAA fd00::1 Some(3600)",
                "17 txt.test Itself TXT \"a; b\" \"c\" \"d\" Some(3600)",
                "19 192.0.2.0/24 NxDomain",
                "20 2001:db8::1/128 Pass",
                "21 ! names of name servers trigger nothing here (rpz-nsdname)",
                "22 ! addresses of clients trigger nothing here (rpz-client-ip)",
                "23 ! the data is not that of its type",
                "24 ! records of this type cannot be told",
                "25 ! of directives, $ORIGIN and $TTL are understood",
            ]
        );
    }

    #[test]
    fn networks_are_written_backwards() {
        for (labels, expected) in [
            ("32.1.2.0.192", Some("192.0.2.1/32")),
            ("8.0.0.0.10", Some("10.0.0.0/8")),
            ("48.zz.1.db8.2001", Some("2001:db8:1::/48")),
            ("128.1.zz", Some("::1/128")),
            ("0.zz", Some("::/0")),
            ("128.8.7.6.5.4.3.2.1", Some("1:2:3:4:5:6:7:8/128")),
            ("24.1.2.0.192", None),
            ("33.1.2.0.192", None),
            ("x", None),
            ("", None),
        ] {
            let found = network(labels).map(|net| net.to_string());
            assert_eq!(found.as_deref(), expected, "{labels}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("300", Some(300)),
            ("1h30m", Some(5_400)),
            ("1D", Some(86_400)),
            ("CNAME", None),
            ("h", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
