//! Hosts files, block lists, and names of elsewhere that are answered here.
//!
//! A question about a name that is not ours is judged by one `Table` of lists before anybody is
//! asked, and a forwarder's answer is judged by the same table before it is told. Lists are read beside
//! all that: at the start, when they are asked to be, and when their files change.
//!
//! **Invariant:** our own names are never blocked and never in a list; those of hosts files go to the zone.
//! **Invariant:** a list that cannot be read stays as it was; what it holds is swapped whole.

mod entries;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
pub mod hosts;
mod line;
mod load;
mod loader;
mod nets;
mod rpz;
mod said;
pub mod settings;
pub mod status;
mod table;
mod trace;
mod wish;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conduit_core::live;
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, Record};
use tokio::time::MissedTickBehavior;

use self::loader::Loader;
pub(crate) use self::said::{Listed, Renamed};
use self::settings::ListSettings;
use self::status::ListStatus;
pub(crate) use self::table::Table;
pub(crate) use self::trace::{By, ListNote, Said, Trace};
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::publication::ZoneWriter;
use crate::reply::Pending;
use crate::zone::Zone;

/// The lists in force, and what keeps them so; cheap to clone.
#[derive(Clone, Default)]
pub struct Lists {
    shared: Option<Arc<Shared>>,
    /// One table for good, which is looked at without counting.
    quiet: Option<Arc<Table>>,
}

struct Shared {
    table: live::Reader<Table>,
    /// Held while lists are read, which no query waits for.
    loader: Mutex<Loader>,
}

impl Lists {
    /// Reads every list; one that cannot be read is told in the log, and tried again when it changes.
    pub fn new(settings: ListSettings) -> Self {
        let (loader, table) = Loader::start(settings);
        let shared = Shared { table, loader: Mutex::new(loader) };
        Self { shared: Some(Arc::new(shared)), quiet: None }
    }

    /// Has the names of ours in hosts files answered by the zone.
    pub fn attach(&self, zone: ZoneWriter) {
        if let Some(shared) = &self.shared {
            shared.loader().attach(zone);
        }
    }

    /// Reads every list again, as configured now; returns once they are in force.
    pub async fn refresh(&self, settings: ListSettings) {
        self.work(move |loader| loader.configure(settings)).await;
    }

    /// Reads lists again when their files change; never returns.
    pub async fn follow(self) {
        let mut tick = tokio::time::interval(POLL_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.work(Loader::poll).await;
        }
    }

    /// How each list does.
    pub fn status(&self) -> Vec<ListStatus> {
        self.table().iter().flat_map(|table| &table.slots).map(ListStatus::of).collect()
    }

    /// Which list and line a name is answered by, if any.
    pub fn explain(&self, name: &str) -> Option<String> {
        let name = Name::from_ascii(name).ok()?;
        self.table()?.explain(AskedKey::of(&name).as_slice())
    }

    /// The lists as they are now, for who looks at them: nothing is counted.
    pub(crate) fn quiet(&self) -> Self {
        Self { shared: None, quiet: self.table().map(|table| Arc::new(table.quiet())) }
    }

    /// What is in force.
    pub(crate) fn table(&self) -> Option<Arc<Table>> {
        let in_force = || self.shared.as_ref().map(|shared| shared.table.load_full());
        self.quiet.clone().or_else(in_force)
    }

    /// Whether no list and no hosts file has anything about names that are not ours.
    pub(crate) fn are_empty(&self) -> bool {
        let in_force = |shared: &Arc<Shared>| shared.table.load().is_empty();
        match &self.quiet {
            Some(table) => table.is_empty(),
            None => self.shared.as_ref().is_none_or(in_force),
        }
    }

    /// Answers a question about a name that is not ours, as far as lists do.
    pub(crate) fn answer(&self, pending: Pending, zone: &Zone, local: &Local) -> Listed {
        let answer = |table: &Arc<Table>, pending| match table.is_empty() {
            true => Listed::Open(pending),
            false => table.answer(pending, zone, local),
        };
        match (&self.quiet, &self.shared) {
            (Some(table), _) => answer(table, pending),
            (None, Some(shared)) => answer(&shared.table.load(), pending),
            (None, None) => Listed::Open(pending),
        }
    }

    /// What hosts files, or lists with data, have for the name at the end of an alias.
    pub(crate) fn given(&self, asked: &Query) -> Option<Vec<Record>> {
        self.table()?.given(asked.name(), asked.query_type())
    }

    /// Does what waits for disks on a thread that may.
    async fn work(&self, work: impl FnOnce(&mut Loader) + Send + 'static) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        let done = tokio::task::spawn_blocking(move || work(&mut shared.loader())).await;
        if done.is_err() {
            tracing::error!("reading lists ended with a panic; they stay as they were");
        }
    }
}

impl Shared {
    fn loader(&self) -> MutexGuard<'_, Loader> {
        self.loader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.status().into_iter().map(|status| status.name);
        f.debug_list().entries(names).finish()
    }
}

/// How often files are looked at. Looking also finds files that were put in place of others, and those
/// of bind mounts and network disks, of which no kernel tells.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
