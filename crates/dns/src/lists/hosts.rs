//! The names of ours in hosts files, and where each stands.
//!
//! **Invariant:** records are what the zone answers; places are for people, and change nothing. Of one file
//! nothing is copied: it may have a million names.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use conduit_core::record::fixed::FixedRecords;

/// Names of ours with their addresses, each with its files and lines; cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostsNames {
    records: Arc<FixedRecords>,
    files: Arc<[HostsFile]>,
}

/// The names of ours in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostsFile {
    /// Its path.
    pub(crate) path: String,
    pub(crate) records: Arc<FixedRecords>,
    pub(crate) lines: Arc<Lines>,
}

/// The lines that name something, found by a number that stands for the name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines(Vec<(u64, u32)>);

impl HostsNames {
    /// Those of every hosts file.
    pub(crate) fn of(files: Vec<HostsFile>) -> Self {
        let owns = files.iter().map(|file| Arc::clone(&file.records));
        // Of one file it is shared. The same address in two files is one, and more than a reply holds are
        // too many.
        let records = owns.reduce(|own, more| Arc::new(Arc::unwrap_or_clone(own).with(&more)));
        Self { records: records.unwrap_or_default(), files: files.into() }
    }

    /// What they have.
    pub fn records(&self) -> &Arc<FixedRecords> {
        &self.records
    }

    /// Where a name stands: `/etc/hosts, line 3`, for each file.
    pub fn places(&self, name: &str) -> Vec<String> {
        let has = |file: &&HostsFile| !file.records.at(name).is_empty();
        self.files.iter().filter(has).map(|file| file.place(name)).collect()
    }

    /// Whether these are the very same.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.records, &other.records) && Arc::ptr_eq(&self.files, &other.files)
    }
}

impl HostsFile {
    fn place(&self, name: &str) -> String {
        let lines = self.lines.of(name);
        let mut text = format!("{}, line{}", self.path, if lines.len() == 1 { "" } else { "s" });
        for (index, (_, line)) in lines.iter().take(LINES_TOLD_MAX).enumerate() {
            let between = if index == 0 { " " } else { ", " };
            // Writing to a string cannot fail.
            write!(text, "{between}{line}").ok();
        }
        if lines.len() > LINES_TOLD_MAX {
            text += " and more";
        }
        text
    }
}

impl Lines {
    /// Notes that a line names something.
    pub(crate) fn add(&mut self, name: &str, line: u32) {
        self.0.push((number_of(name), line));
    }

    /// Makes them ready to be looked up.
    pub(crate) fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.shrink_to_fit();
    }

    fn of(&self, name: &str) -> &[(u64, u32)] {
        let number = number_of(name);
        let first = self.0.partition_point(|(other, _)| *other < number);
        let rest = self.0.get(first..).unwrap_or_default();
        let count = rest.iter().take_while(|(other, _)| *other == number).count();
        rest.get(..count).unwrap_or_default()
    }
}

/// What stands for a name; a name that is looked up is known to be there.
fn number_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Of one name in one file.
const LINES_TOLD_MAX: usize = 4;
