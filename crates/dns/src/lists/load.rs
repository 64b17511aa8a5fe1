//! From lines to a list that can be asked.
//!
//! **Invariant:** reading is bounded in octets, in lines and in entries, and a line that cannot be read is
//! counted and left out. Nothing of this happens where queries are answered.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::Host;
use conduit_core::record::data::RecordData;
use conduit_core::record::fixed::{Builder, FixedRecords};
use conduit_core::record::name::RecordName;
use conduit_core::record::{Place as Placed, Record, RecordTtl};

use super::entries::{Added, Entries, Scope};
use super::hosts::{HostsFile, Lines};
use super::line;
use super::nets::Nets;
use super::rpz::{self, Reader};
use super::settings::{Format, Kind, ListSource, Place};
use super::status::Skipped;
use super::wish::{Deed, NameBuffer, Wish, text_of};
use crate::key::{NameKey, ancestry};
use crate::records::Records;

/// A list that was read.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) source: ListSource,
    pub(crate) entries: Entries,
    pub(crate) nets: Nets,
    /// What names have, by their deed less [`FIRST_DATA`].
    pub(crate) data: Vec<Records>,
    pub(crate) skipped: Skipped,
    pub(crate) loaded_at: Option<Timestamp>,
    /// Kept when the list is read again.
    pub(crate) hits: Arc<AtomicU64>,
    /// Of our own names: hosts files alone have such.
    pub(crate) own: Arc<FixedRecords>,
    /// How many records those are.
    pub(crate) own_count: usize,
    /// The lines that name each of them.
    pub(crate) own_lines: Arc<Lines>,
}

impl List {
    /// One of which nothing was read.
    pub(crate) fn empty(source: ListSource) -> Self {
        Self {
            source,
            entries: Entries::default(),
            nets: Nets::default(),
            data: Vec::new(),
            skipped: Skipped::default(),
            loaded_at: None,
            hits: Arc::default(),
            own: Arc::default(),
            own_count: 0,
            own_lines: Arc::default(),
        }
    }

    /// Reads the lines that the source has now; counting goes on with `hits`.
    ///
    /// # Errors
    /// When the file cannot be read, or is too large.
    pub(crate) fn read(
        source: &ListSource,
        domains: &Domains,
        hits: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let mut building = Building::new(source, domains);
        match &source.place {
            Place::Lines(lines) => building.lines(&mut lines.join("\n").as_bytes())?,
            Place::File(path) => building.lines(&mut open(path)?)?,
        }
        Ok(building.finish(hits))
    }
}

impl List {
    /// The names of ours in it, with their lines.
    pub(crate) fn hosts_file(&self) -> HostsFile {
        HostsFile {
            path: self.source.name.clone(),
            records: Arc::clone(&self.own),
            lines: Arc::clone(&self.own_lines),
        }
    }
}

#[cfg(any(test, fuzzing))]
impl List {
    /// Reads a list from octets.
    pub(crate) fn of(source: &ListSource, domains: &Domains, octets: &[u8]) -> Self {
        let mut building = Building::new(source, domains);
        building.lines(&mut &*octets).expect("octets can be read");
        building.finish(Arc::default())
    }
}

fn open(path: &Path) -> io::Result<impl BufRead> {
    let about = std::fs::metadata(path)?;
    // A pipe would make whoever reads it wait.
    if !about.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} octets")));
    }
    Ok(BufReader::with_capacity(READ_BYTES, File::open(path)?.take(FILE_BYTES_MAX)))
}

/// A list while its lines are read.
struct Building<'a> {
    list: List,
    apexes: Vec<NameKey>,
    domains: &'a Domains,
    records: Vec<Vec<Record>>,
    own: Builder,
    own_count: usize,
    own_lines: Lines,
    reader: Option<Reader>,
    /// Addresses of which the way back is known.
    pointers: HashMap<std::net::IpAddr, u32>,
}

impl<'a> Building<'a> {
    fn new(source: &ListSource, domains: &'a Domains) -> Self {
        Self {
            list: List::empty(source.clone()),
            apexes: domains.iter().map(NameKey::of).collect(),
            domains,
            records: Vec::new(),
            own: Builder::default(),
            own_count: 0,
            own_lines: Lines::default(),
            reader: (source.format == Format::Rpz).then(Reader::default),
            pointers: HashMap::new(),
        }
    }

    fn lines(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut number: u32 = 0;
        loop {
            buffer.clear();
            let length = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut buffer)?;
            if length == 0 {
                if let Some((since, text)) = self.reader.as_ref().and_then(Reader::unfinished) {
                    self.list.skipped.add(since, text.as_bytes(), rpz::UNFINISHED);
                }
                return Ok(());
            }
            number = number.saturating_add(1);
            if buffer.last() != Some(&b'\n') && length as u64 == LINE_BYTES_MAX {
                self.list.skipped.add(number, &buffer, "the line is longer than 65,536 octets");
                from.skip_until(b'\n')?;
                continue;
            }
            // What some editors of another system put in front.
            let line = buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buffer);
            match std::str::from_utf8(line) {
                Ok(text) => self.line(text, number),
                Err(_) => self.list.skipped.add(number, line, "this is no text in UTF-8"),
            }
        }
    }

    fn line(&mut self, text: &str, number: u32) {
        let Self { list, reader, .. } = self;
        let (format, kind) = (list.source.format, list.source.kind);
        if reader.is_none()
            && format == Format::Auto
            && is_zone_file(text)
            && list.entries.len() == 0
        {
            *reader = Some(Reader::default());
        }
        let mut wishes = Vec::new();
        let read = match reader {
            Some(reader) => reader.line(text, number, &mut |line, wish| wishes.push((line, wish))),
            None => line::read(text, format, kind, &mut |wish| wishes.push((number, wish))),
        };
        let mut outcome = read;
        for (line, wish) in wishes {
            let granted = self.grant(wish, line);
            // A line is one that was skipped, however much of it was.
            outcome = outcome.and(granted);
        }
        if let Err(reason) = outcome {
            self.list.skipped.add(number, text.as_bytes(), reason);
        }
    }

    fn grant(&mut self, wish: Wish, line: u32) -> Result<(), &'static str> {
        let is_hosts = self.list.source.kind == Kind::Hosts;
        match wish {
            Wish::Name { key, deed, .. } if is_hosts && self.is_ours(key.as_slice()) => {
                match deed {
                    Deed::Record(data, _) => self.own(&key, data, line),
                    _ => Ok(()),
                }
            }
            Wish::Name { key, .. } if self.is_ours(key.as_slice()) => {
                Err("the name is ours, and never in a list")
            }
            // Large lists of names that are nowhere come as hosts files too, and take no more room then.
            Wish::Name { key, scope, deed: Deed::Record(data, _) }
                if is_hosts && is_nowhere(&data) =>
            {
                self.name(key.as_slice(), scope, Deed::Null, line)
            }
            Wish::Name { key, scope, deed } => self.name(key.as_slice(), scope, deed, line),
            // The zone knows the way back itself.
            Wish::Pointer { name, .. } if self.is_ours(name.as_slice()) => Ok(()),
            Wish::Pointer { address, name } => {
                if self.pointers.insert(address, line).is_some() {
                    return Ok(());
                }
                let text = text_of(name.as_slice());
                let target = RecordName::parse(&text).map_err(|_| "the name cannot be a host's")?;
                let reverse = reverse_of(address);
                let key = NameBuffer::parse(&reverse)?;
                let deed = Deed::Record(RecordData::Ptr(target), None);
                self.name(key.as_slice(), Scope::Itself, deed, line)
            }
            Wish::Net { net, deed } => {
                let deed = self.deed(deed)?;
                match self.list.nets.add(net, deed, line) {
                    true => Ok(()),
                    false => Err("the network is there already, or there are too many"),
                }
            }
        }
    }

    fn is_ours(&self, key: &[u8]) -> bool {
        ancestry(key).any(|name| self.apexes.iter().any(|apex| apex.as_slice() == name))
    }

    fn own(&mut self, key: &NameBuffer, data: RecordData, line: u32) -> Result<(), &'static str> {
        let name = RecordName::parse(&text_of(key.as_slice()));
        let name = name.map_err(|_| "the name cannot be a host's")?;
        let record = Record { name, data, ttl: None, added_at: Timestamp::from_seconds(0) };
        match record.place(self.domains) {
            Ok(Placed::Below | Placed::Apex) => {}
            Ok(Placed::Reverse) | Err(_) => {
                return Err("the name is kept for Conduit's own routes");
            }
        }
        // Twice the same is once.
        if self.own.at(record.name.as_str()).iter().any(|other| other.is_same(&record)) {
            return Ok(());
        }
        if self.own_count >= OWN_MAX {
            return Err("there are too many addresses of names of ours");
        }
        let name = record.name.clone();
        self.own.add(record).map_err(|_| "the name has too many addresses")?;
        self.own_count += 1;
        self.own_lines.add(name.as_str(), line);
        Ok(())
    }

    fn name(
        &mut self,
        key: &[u8],
        scope: Scope,
        deed: Deed,
        line: u32,
    ) -> Result<(), &'static str> {
        if self.list.entries.len() >= ENTRIES_MAX {
            return Err("there are more entries than a list may have");
        }
        let Deed::Record(data, ttl) = deed else {
            let number = self.deed(deed)?;
            return match self.list.entries.add(key, scope, number, line) {
                // A name that is there twice harms nobody, and lists are full of them.
                Added::New | Added::Known(_) => Ok(()),
                Added::Full => Err("there is no room for more"),
            };
        };
        if self.list.source.kind == Kind::Allow {
            return self.name(key, scope, Deed::Pass, line);
        }
        let record = record(data, ttl)?;
        let next = data_number(self.records.len())?;
        match self.list.entries.add(key, scope, next, line) {
            Added::New => {
                self.records.push(vec![record]);
                Ok(())
            }
            Added::Known(number) => {
                let known = number.checked_sub(FIRST_DATA).and_then(|at| usize::try_from(at).ok());
                let Some(records) = known.and_then(|at| self.records.get_mut(at)) else {
                    return Err("the name is blocked by a line before");
                };
                if records.iter().any(|other| other.is_same(&record)) {
                    return Ok(());
                }
                if records.len() >= RECORDS_OF_NAME_MAX
                    || records.iter().any(|o| o.excludes(&record))
                {
                    return Err("the name has an alias beside something else, or too many records");
                }
                records.push(record);
                Ok(())
            }
            Added::Full => Err("there is no room for more"),
        }
    }

    fn deed(&mut self, deed: Deed) -> Result<u32, &'static str> {
        if self.list.source.kind == Kind::Allow {
            return Ok(PASS);
        }
        Ok(match deed {
            Deed::Block => BLOCK,
            Deed::NxDomain => NXDOMAIN,
            Deed::NoData => NODATA,
            Deed::Null => NULL,
            Deed::Pass => PASS,
            Deed::Drop => DROP,
            Deed::TcpOnly => TCP_ONLY,
            Deed::Record(data, ttl) => {
                let number = data_number(self.records.len())?;
                self.records.push(vec![record(data, ttl)?]);
                number
            }
        })
    }

    fn finish(self, hits: Arc<AtomicU64>) -> List {
        let Self { mut list, records, own, own_count, mut own_lines, .. } = self;
        own_lines.finish();
        list.own_lines = Arc::new(own_lines);
        list.entries.shrink();
        let compiled = records.into_iter().map(|records| Records::of(&[records.into()]));
        list.data = compiled.flatten().collect();
        list.own = Arc::new(own.build());
        list.own_count = own_count;
        list.loaded_at = Some(Timestamp::now());
        list.hits = hits;
        list
    }
}

/// Whether a line is one that only zone files have. Comments of any form say nothing about it: many lists
/// tell in theirs of CNAME records.
fn is_zone_file(line: &str) -> bool {
    let line = line.split(['#', ';']).next().unwrap_or_default();
    if line.starts_with(|c: char| c.is_whitespace() || c == '!') {
        return false;
    }
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    let words: Vec<&str> = line.split_whitespace().take(ZONE_WORDS_MAX).collect();
    let is_directive = words.first().is_some_and(|word| is(word, "$ttl") || is(word, "$origin"));
    is_directive
        || words.iter().any(|word| is(word, "soa"))
        || (words.len() > 2 && words.iter().any(|word| is(word, "cname")))
}

fn is_nowhere(data: &RecordData) -> bool {
    match data {
        RecordData::A(address) => address.is_unspecified(),
        RecordData::Aaaa(address) => address.is_unspecified(),
        _ => false,
    }
}

fn record(data: RecordData, ttl: Option<u32>) -> Result<Record, &'static str> {
    // The owner is whoever is asked for; only what is beside it matters here.
    let name = Host::parse(NOBODY).map(|host| RecordName::from(&host));
    let name = name.map_err(|_| "there is no name")?;
    let ttl = ttl.map(RecordTtl::from_seconds).transpose().map_err(|_| "the TTL is too long")?;
    Ok(Record { name, data, ttl, added_at: Timestamp::from_seconds(0) })
}

fn data_number(count: usize) -> Result<u32, &'static str> {
    match u32::try_from(count) {
        Ok(count) if (count as usize) < DATA_MAX => Ok(FIRST_DATA + count),
        _ => Err("there are more names with data than a list may have"),
    }
}

/// The reverse name of an address.
fn reverse_of(address: std::net::IpAddr) -> String {
    hickory_proto::rr::Name::from(address.to_canonical()).to_ascii()
}

/// What is done, as a number.
pub(crate) const BLOCK: u32 = 0;
pub(crate) const NXDOMAIN: u32 = 1;
pub(crate) const NODATA: u32 = 2;
pub(crate) const NULL: u32 = 3;
pub(crate) const PASS: u32 = 4;
pub(crate) const DROP: u32 = 5;
pub(crate) const TCP_ONLY: u32 = 6;
pub(crate) const FIRST_DATA: u32 = 16;

/// How long clients keep what a list says, unless it says otherwise.
pub(crate) const LIST_TTL_S: u32 = 30;
/// A list of four million names has 120 MB.
const FILE_BYTES_MAX: u64 = 268_435_456;
/// Of names; more are left out and told.
const ENTRIES_MAX: usize = 4_000_000;
/// Names with data of their own, which is not as compact.
const DATA_MAX: usize = 200_000;
/// Addresses of names of ours in a hosts file: each change of it goes through the zone.
const OWN_MAX: usize = 1_000_000;
/// As for records of operators.
const RECORDS_OF_NAME_MAX: usize = 64;
const LINE_BYTES_MAX: u64 = 65_536;
const READ_BYTES: usize = 65_536;
const NOBODY: &str = "nobody.invalid";
/// An owner, a TTL, a class, a type and data.
const ZONE_WORDS_MAX: usize = 5;
