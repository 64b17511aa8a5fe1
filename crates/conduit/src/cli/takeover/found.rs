//! What a file asks for, sorted by who can hold it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use conduit_api::v1::dns::AddRecord;
use conduit_api::v1::services::RegisterService;
use conduit_core::record::RecordTtl;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use toml::{Table, Value};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The domains of the gateway.
    pub(crate) domains: Vec<String>,
    /// For the registry.
    pub(crate) records: Vec<(Place, AddRecord)>,
    pub(crate) services: Vec<(Place, RegisterService)>,
    /// For the configuration.
    pub(crate) settings: Settings,
    /// What cannot be carried over.
    pub(crate) left: Vec<Left>,
}

/// A line, or a part of one, that cannot be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) reason: String,
}

impl Found {
    pub(crate) fn new(domains: Vec<String>) -> Self {
        Self { domains, ..Self::default() }
    }

    /// Notes what is not carried over.
    pub(crate) fn leave(&mut self, place: &Place, text: &str, reason: impl Into<String>) {
        let text: String = text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
        self.left.push(Left { place: place.clone(), text, reason: reason.into() });
    }

    /// Whether a name is one of the gateway's domains, or under one.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.domains.iter().any(|domain| {
            name.strip_suffix(domain.as_str())
                .is_some_and(|head| head.is_empty() || head.ends_with('.'))
        })
    }

    /// Takes a record: one of our names for the registry, any other for a list.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn record(
        &mut self,
        place: &Place,
        name: &str,
        kind: RecordType,
        data: &str,
        ttl: Option<u32>,
    ) -> Result<(), String> {
        let parsed = RecordName::parse(name).map_err(|error| error.to_string())?;
        let data = RecordData::parse(kind, data).map_err(|error| error.to_string())?;
        ttl.map(RecordTtl::from_seconds).transpose().map_err(|error| error.to_string())?;
        if self.is_ours(parsed.as_str()) || parsed.reversed().is_some() {
            let record = AddRecord {
                name: parsed.to_string(),
                record_type: kind.to_string(),
                data: data.to_string(),
                ttl,
            };
            if !self.records.iter().any(|(_, other)| *other == record) {
                self.records.push((place.clone(), record));
            }
            return Ok(());
        }
        let ttl = ttl.map(|ttl| format!(" {ttl}")).unwrap_or_default();
        let data = match &data {
            // In a zone file a name without the dot would be below the zone's.
            RecordData::Cname(target) | RecordData::Ptr(target) => format!("{target}."),
            data => data.to_string(),
        };
        self.settings.line(RECORDS_LIST, "rpz", format!("{parsed}.{ttl} {kind} {data}"));
        Ok(())
    }

    /// The same for an address.
    pub(crate) fn address(
        &mut self,
        place: &Place,
        name: &str,
        address: IpAddr,
        ttl: Option<u32>,
    ) -> Result<(), String> {
        let address = address.to_canonical();
        let kind = if address.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
        self.record(place, name, kind, &address.to_string(), ttl)
    }
}

/// Keys of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Settings(Table);

impl Settings {
    /// Sets a key, such as `dns.cache.size`.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let (table, key) = self.table(key);
        table.insert(key.to_owned(), value.into());
    }

    /// Adds to a list, unless it is there.
    pub(crate) fn push(&mut self, key: &str, value: impl Into<Value>) {
        let (table, key) = self.table(key);
        let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        let value = value.into();
        if let Value::Array(list) = list
            && !list.contains(&value)
        {
            list.push(value);
        }
    }

    /// Has names asked elsewhere; those that are asked of the same servers share a table.
    pub(crate) fn forward(&mut self, domains: &[String], to: &[String]) {
        if domains.is_empty() {
            return;
        }
        let as_values = |all: &[String]| all.iter().cloned().map(Value::from).collect::<Vec<_>>();
        let (table, key) = self.table("dns.forward");
        let all = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(all) = all else { return };
        for domain in domains {
            let known = all.iter_mut().filter_map(Value::as_table_mut).find(|forward| {
                let domains = forward.get("domains").and_then(Value::as_array);
                domains.is_some_and(|domains| domains.contains(&Value::from(domain.clone())))
            });
            if let Some(Value::Array(servers)) = known.and_then(|forward| forward.get_mut("to")) {
                servers.extend(as_values(to));
                continue;
            }
            let mut forward = Table::new();
            forward.insert("domains".into(), vec![Value::from(domain.clone())].into());
            forward.insert("to".into(), as_values(to).into());
            all.push(forward.into());
        }
    }

    /// Has the answers of those that are asked about certain names not judged, unless one of them has an
    /// anchor of its own, as dnsmasq has it.
    pub(crate) fn unjudged_forwards(&mut self, anchored: &[String]) {
        let (table, key) = self.table("dns.forward");
        let Some(Value::Array(all)) = table.get_mut(key) else { return };
        for forward in all.iter_mut().filter_map(Value::as_table_mut) {
            let is_anchored = forward.get("domains").and_then(Value::as_array).is_some_and(|all| {
                let mut domains = all.iter().filter_map(Value::as_str);
                domains.any(|domain| anchored.iter().any(|anchor| anchor == domain))
            });
            if !is_anchored {
                forward.insert("dnssec".into(), false.into());
            }
        }
    }

    /// Adds a line to a list of names.
    pub(crate) fn line(&mut self, name: &str, format: &str, line: String) {
        let (table, key) = self.table("dns.lists");
        let all = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(all) = all else { return };
        let is_it = |list: &&mut Table| list.get("name").and_then(Value::as_str) == Some(name);
        let known = all.iter_mut().filter_map(Value::as_table_mut).find(is_it);
        if let Some(Value::Array(lines)) = known.and_then(|list| list.get_mut("lines")) {
            if !lines.contains(&Value::from(line.as_str())) {
                lines.push(line.into());
            }
            return;
        }
        let mut list = Table::new();
        list.insert("name".into(), name.into());
        list.insert("format".into(), format.into());
        list.insert("lines".into(), vec![Value::from(line)].into());
        all.push(list.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to be added to the configuration.
    pub(crate) fn toml(&self) -> String {
        toml::to_string_pretty(&self.0).unwrap_or_default()
    }

    fn table<'a>(&mut self, key: &'a str) -> (&mut Table, &'a str) {
        let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.0;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            // Invariant: no key is also the table of others.
            table = match next {
                Value::Table(next) => next,
                _ => unreachable!("{part} is a table"),
            };
        }
        (table, last)
    }
}

/// The list of names of elsewhere that have records.
pub(crate) const RECORDS_LIST: &str = "imported-records";
/// Of a line that is told.
const TEXT_CHARS_MAX: usize = 160;
