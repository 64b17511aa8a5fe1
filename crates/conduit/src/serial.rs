//! What the serial of our zones is ahead of the catalog's generation.
//!
//! Secondaries copy a zone when its serial has moved. The generation moves with every change of the
//! catalog; what it does not know of is kept here: another configuration, another version of Conduit,
//! other names of ours in hosts files, and a state that was restored.
//!
//! **Invariant:** a serial never goes back, and no two contents have one.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::record::fixed::FixedRecords;
use conduit_dns::publication::Steps;
use conduit_dns::zone::ZoneSettings;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};

/// What was so at the last start.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    offset: u64,
    generation: u64,
    /// A digest of everything else that makes the zones.
    made_of: String,
    /// A digest of what hosts files give; empty when they give nothing.
    #[serde(default)]
    hosts: String,
}

/// What to add to the generation, from this start on.
pub(crate) fn offset(
    state_dir: &Path,
    settings: &ZoneSettings,
    generation: Generation,
    now: Timestamp,
) -> u64 {
    let path = state_dir.join(FILE);
    let kept = read(&path);
    let next = next(kept.as_ref(), &made_of(settings), generation.0, now);
    if kept.as_ref() != Some(&next)
        && let Err(error) = write(&path, &next)
    {
        tracing::warn!(
            %error, path = %path.display(),
            "secondaries may miss a change of the configuration at the next start"
        );
    }
    next.offset
}

fn next(kept: Option<&Kept>, made_of: &str, generation: u64, now: Timestamp) -> Kept {
    let clock = u64::try_from(now.seconds()).unwrap_or_default().saturating_sub(generation);
    let offset = match kept {
        None => clock,
        // Not the state that was served before.
        Some(kept) if generation < kept.generation => {
            clock.max(kept.offset + kept.generation + 1 - generation)
        }
        Some(kept) if kept.made_of != made_of => kept.offset + 1,
        Some(kept) => kept.offset,
    };
    let hosts = kept.map(|kept| kept.hosts.clone()).unwrap_or_default();
    Kept { offset, generation, made_of: made_of.to_owned(), hosts }
}

/// Counts changes of what hosts files give, beginning with what they gave at the last stop; each is kept
/// before it is published.
pub(crate) fn hosts_steps(state_dir: &Path) -> Steps {
    let path = state_dir.join(FILE);
    // It was written a moment ago. Where it cannot be, steps are counted in memory.
    let mut kept = read(&path).unwrap_or_default();
    let began_at = kept.offset;
    Box::new(move |records| {
        let hosts = digest_of(records);
        if kept.hosts != hosts {
            kept.hosts = hosts;
            kept.offset += 1;
            if let Err(error) = write(&path, &kept) {
                tracing::warn!(
                    %error, path = %path.display(),
                    "secondaries may miss a change of hosts files at the next start"
                );
            }
        }
        kept.offset - began_at
    })
}

fn digest_of(hosts: &FixedRecords) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let mut digest = Digesting(Sha3_256::new());
    for record in hosts.iter() {
        // Writing to a digest cannot fail.
        writeln!(digest, "{record}").ok();
    }
    hex::encode(digest.0.finalize())
}

/// Text on its way into a digest: there may be a million records.
struct Digesting(Sha3_256);

impl fmt::Write for Digesting {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

fn made_of(settings: &ZoneSettings) -> String {
    // The offset itself is not part of it: it is not known yet.
    let text = format!("{} {settings:?}", env!("CARGO_PKG_VERSION"));
    hex::encode(Sha3_256::digest(text.as_bytes()))
}

fn read(path: &Path) -> Option<Kept> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the serial begins at the clock");
            return None;
        }
    };
    let kept = serde_json::from_slice(&text);
    kept.inspect_err(|error| {
        tracing::warn!(%error, path = %path.display(), "the serial begins at the clock");
    })
    .ok()
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(kept).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

/// A state that is restored begins without it, at the clock: ahead of whatever was served before.
pub(crate) const FILE: &str = "dns-serial.json";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use conduit_core::domains::Domains;
    use conduit_core::name::Host;
    use conduit_core::record::Record;
    use conduit_core::record::data::RecordData;
    use conduit_core::record::fixed::Builder;
    use conduit_core::record::kind::RecordType;
    use conduit_core::record::name::RecordName;

    fn settings(domain: &str) -> ZoneSettings {
        let domain = Host::parse(domain).expect("valid");
        ZoneSettings::new(Domains::new(vec![domain]).expect("one"))
    }

    #[test]
    fn every_other_content_has_a_higher_serial() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str, generation: u64, seconds: i64| {
            let now = Timestamp::from_seconds(seconds);
            let found = offset(dir.path(), &settings(name), Generation(generation), now);
            found + generation
        };
        let first = at("internal", 7, 1_000_000);
        assert_eq!(first, 1_000_000, "the clock");
        assert_eq!(at("internal", 7, 2_000_000), first, "nothing changed");
        assert_eq!(at("internal", 9, 2_000_000), first + 2, "the catalog changed");
        let other = at("lab.internal", 9, 2_000_000);
        assert_eq!(other, first + 3, "the configuration changed");
        assert_eq!(at("lab.internal", 2, 500_000), other + 1, "a clock that goes back");
        assert_eq!(at("lab.internal", 1, 3_000_000), 3_000_000, "an older state");
        fs::remove_file(dir.path().join(FILE)).expect("removed");
        assert_eq!(at("lab.internal", 1, 4_000_000), 4_000_000);
        fs::write(dir.path().join(FILE), "{").expect("written");
        assert_eq!(at("lab.internal", 1, 5_000_000), 5_000_000);
    }

    #[test]
    fn hosts_files_move_the_serial_also_across_starts() {
        let dir = tempfile::tempdir().expect("a directory");
        let start = |generation: u64| {
            let now = Timestamp::from_seconds(1_000_000);
            let offset = offset(dir.path(), &settings("internal"), Generation(generation), now);
            (offset, hosts_steps(dir.path()))
        };
        let hosts = |text: &str| {
            let mut all = Builder::default();
            let record = Record {
                name: RecordName::parse("nas.internal").expect("valid"),
                data: RecordData::parse(RecordType::A, text).expect("valid"),
                ttl: None,
                added_at: Timestamp::from_seconds(0),
            };
            all.add(record).expect("the only one");
            Arc::new(all.build())
        };
        let (first, mut steps) = start(7);
        assert_eq!(steps(&Arc::default()), 0, "as it always was");
        assert_eq!(steps(&hosts("10.0.0.5")), 1);
        assert_eq!(steps(&hosts("10.0.0.5")), 1, "the same");
        assert_eq!(steps(&hosts("10.0.0.6")), 2);
        let (second, mut steps) = start(7);
        assert_eq!(second, first + 2, "what was told goes on");
        assert_eq!(steps(&hosts("10.0.0.6")), 0, "nothing changed meanwhile");
        assert_eq!(steps(&Arc::default()), 1);
        let (third, mut steps) = start(7);
        assert_eq!((third, steps(&hosts("10.0.0.6"))), (first + 3, 1), "changed meanwhile");
    }
}
