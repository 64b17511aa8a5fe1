//! The one hand that reads lists and puts them in force.
//!
//! **Invariant:** a file is read when it differs from what was read and has stood still since it was last
//! looked at, so that one that is being written is not read half.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use conduit_core::error::Chain;
use conduit_core::live;

use super::load::List;
use super::settings::{BlockAnswer, Format, Kind, ListSettings, ListSource, Place, Reason};
use super::table::{Slot, Table};
use crate::publication::ZoneWriter;

/// Reads lists.
#[derive(Debug)]
pub(super) struct Loader {
    settings: ListSettings,
    sources: Vec<Source>,
    table: live::Writer<Table>,
    zone: Option<ZoneWriter>,
}

/// A list with what its file looked like.
#[derive(Debug)]
struct Source {
    given: ListSource,
    /// When it was last read, or tried to be.
    read: Option<Stamp>,
    /// When it was last looked at.
    seen: Option<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    /// Of the file's own record: a copy may keep the other time.
    changed: (i64, i64),
}

impl Loader {
    /// Reads all of them.
    pub(super) fn start(settings: ListSettings) -> (Self, live::Reader<Table>) {
        let empty = Table::new(Vec::new(), &settings.domains);
        let (table, reader) = live::channel(Arc::new(empty));
        let mut loader =
            Self { settings: settings.clone(), sources: Vec::new(), table, zone: None };
        loader.configure(settings);
        (loader, reader)
    }

    /// Gives the zone what is its.
    pub(super) fn attach(&mut self, zone: ZoneWriter) {
        zone.set_hosts(&self.table.current().own);
        self.zone = Some(zone);
    }

    /// Takes these settings, and reads every file that is not known as it is now.
    pub(super) fn configure(&mut self, settings: ListSettings) {
        let given = sources(&settings);
        self.settings = settings;
        let sources = given.into_iter().map(|given| Source { given, read: None, seen: None });
        let before = self.table.current();
        let known = std::mem::replace(&mut self.sources, sources.collect());
        let known: Vec<(Source, &Slot)> = known.into_iter().zip(&before.slots).collect();
        let slots = self.sources.iter_mut().map(|source| {
            let is_kin = |(other, _): &&(Source, &Slot)| {
                other.given.name == source.given.name && other.given.kind == source.given.kind
            };
            match known.iter().find(is_kin) {
                Some((other, slot))
                    if slot.error.is_none() && other.is_as_it_was(&source.given) =>
                {
                    (source.read, source.seen) = (other.read, other.seen);
                    (*slot).clone()
                }
                kin => source.read(kin.map(|(_, slot)| (*slot).clone()), &self.settings),
            }
        });
        let slots = slots.collect();
        self.publish(slots);
    }

    /// Reads the files that have changed.
    pub(super) fn poll(&mut self) {
        let before = self.table.current();
        let mut slots = before.slots.clone();
        let mut is_new = false;
        for (source, slot) in self.sources.iter_mut().zip(&mut slots) {
            let Place::File(path) = &source.given.place else {
                continue;
            };
            let now = Stamp::of(path);
            let is_still = now == source.seen;
            source.seen = now;
            if is_still && now != source.read {
                *slot = source.read(Some(slot.clone()), &self.settings);
                is_new = true;
            }
        }
        if is_new {
            self.publish(slots);
        }
    }

    fn publish(&mut self, slots: Vec<Slot>) {
        let next = Arc::new(Table::new(slots, &self.settings.domains));
        self.table.publish(Arc::clone(&next));
        if let Some(zone) = &self.zone {
            zone.set_hosts(&next.own);
        }
    }
}

impl Source {
    /// Whether what was read is what `given` holds now.
    fn is_as_it_was(&self, given: &ListSource) -> bool {
        self.given == *given
            && match &given.place {
                Place::File(path) => self.read.is_some() && self.read == Stamp::of(path),
                Place::Lines(_) => true,
            }
    }

    /// Reads it; what cannot be read stays as it was.
    fn read(&mut self, before: Option<Slot>, settings: &ListSettings) -> Slot {
        // Before reading, so that what changes meanwhile is read again.
        self.read = match &self.given.place {
            Place::File(path) => Stamp::of(path),
            Place::Lines(_) => None,
        };
        self.seen = self.read;
        let name = &self.given.name;
        let hits = before.as_ref().map(|slot| Arc::clone(&slot.list.hits)).unwrap_or_default();
        match List::read(&self.given, &settings.domains, hits) {
            Ok(list) => {
                let (entries, skipped) = (list.entries.len(), list.skipped.count);
                tracing::info!(list = name, entries, skipped, "list read");
                Slot { list: Arc::new(list), error: None }
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(list = name, error, "cannot read a list; it stays as it was");
                let list = before.map(|slot| slot.list);
                let list = list.unwrap_or_else(|| Arc::new(List::empty(self.given.clone())));
                Slot { list, error: Some(error) }
            }
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        Some(Self {
            device: about.dev(),
            inode: about.ino(),
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// Hosts files first.
fn sources(settings: &ListSettings) -> Vec<ListSource> {
    let hosts = settings.hosts_files.iter().map(|path| ListSource {
        name: path.display().to_string(),
        place: Place::File(path.clone()),
        kind: Kind::Hosts,
        format: Format::Hosts,
        answer: BlockAnswer::default(),
        reason: Reason::default(),
    });
    hosts.chain(settings.lists.iter().cloned()).collect()
}
