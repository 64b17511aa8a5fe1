//! What a file asks for, sorted by who can hold it.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use conduit_api::v1::dns::AddRecord;
use conduit_api::v1::services::RegisterService;
use conduit_core::record::RecordTtl;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;

use super::settings::Settings;

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
    /// What those are, to find them again.
    known: HashSet<String>,
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
            if self.known.insert(format!("{parsed} {ttl:?} {kind} {data}")) {
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
        self.settings.line(RECORDS_LIST, "rpz", format!("{parsed}.{ttl} {kind} {data}"))
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

/// The list of names of elsewhere that have records.
pub(crate) const RECORDS_LIST: &str = "imported-records";
/// Of a line that is told.
const TEXT_CHARS_MAX: usize = 160;
