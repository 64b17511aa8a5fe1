//! How full the local machine's file systems are, without ever waiting for one that hangs.
//!
//! Only file systems of this machine are asked: one on a server that went away can hang for ever.
//! A disk can hang too, so asking happens on a thread of its own, within a budget.
//!
//! **Invariant:** while a question hangs, no other is asked, and that is told in every reading.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::aside::{Aside, Unanswered};
use crate::reading::host::HostReading;
use crate::reading::host::storage::{FileSystem, Files, Space};

/// Asks file systems how full they are.
#[derive(Debug)]
pub(super) struct SpaceAsker {
    aside: Aside<String, Option<Fill>>,
    /// What was asked last and has not answered yet.
    hanging: Option<String>,
    /// The time that all file systems together have to answer.
    budget: Duration,
}

/// What a file system said.
#[derive(Debug, Clone, Copy)]
struct Fill {
    space: Space,
    files: Option<Files>,
}

impl SpaceAsker {
    /// Starts the thread that asks.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        Self::asking(|place: String| fill(&place), BUDGET)
    }

    fn asking(
        answer: impl FnMut(String) -> Option<Fill> + Send + 'static,
        budget: Duration,
    ) -> io::Result<Self> {
        let aside = Aside::start("monitor-space", answer)?;
        Ok(Self { aside, hanging: None, budget })
    }

    /// Fills in how full the file systems of a reading are.
    pub(super) async fn fill(&mut self, reading: &mut HostReading) {
        let deadline = Instant::now() + self.budget;
        let mut answers: HashMap<String, Option<Fill>> = HashMap::new();
        for system in reading.file_systems.iter_mut().filter(|system| is_local(system)) {
            let known = answers.get(&system.device).copied().filter(|_| is_device(system));
            let answer = match known {
                Some(answer) => answer,
                None => match self.ask(&system.mount_point, deadline).await {
                    Ok(answer) => answer,
                    Err(problem) => {
                        reading.problems.push(problem);
                        break;
                    }
                },
            };
            answers.insert(system.device.clone(), answer);
            system.space = answer.map(|fill| fill.space);
            system.files = answer.and_then(|fill| fill.files);
            system.is_silent = answer.is_none();
        }
        if let Some(place) = &self.hanging {
            let silent = reading.file_systems.iter_mut().filter(|s| s.mount_point == *place);
            silent.for_each(|system| system.is_silent = true);
        }
    }

    async fn ask(&mut self, place: &str, deadline: Instant) -> Result<Option<Fill>, String> {
        let earlier = self.hanging.replace(place.to_owned());
        match timeout_at(deadline, self.aside.ask(place.to_owned())).await {
            Ok(Ok(answer)) => {
                self.hanging = None;
                Ok(answer)
            }
            Ok(Err(Unanswered::Busy)) => {
                let place = earlier.unwrap_or_default();
                self.hanging = Some(place.clone());
                Err(format!("the file system at {place} still hangs; no file system was asked"))
            }
            Ok(Err(Unanswered::Ended)) => Err("the thread that asks file systems ended".to_owned()),
            Err(_) => Err(format!(
                "the file system at {place} did not answer within {} s",
                self.budget.as_secs()
            )),
        }
    }
}

fn fill(place: &str) -> Option<Fill> {
    let stat = rustix::fs::statvfs(place).ok()?;
    let bytes = |blocks: u64| blocks.checked_mul(stat.f_frsize);
    let space = Space {
        size: bytes(stat.f_blocks)?,
        free: bytes(stat.f_bfree)?,
        available: bytes(stat.f_bavail)?,
    };
    let files = Files { total: stat.f_files, free: stat.f_ffree };
    Some(Fill { space, files: (files.total > 0).then_some(files) })
}

/// Whether a file system is this machine's own.
fn is_local(system: &FileSystem) -> bool {
    is_device(system) || LOCAL_KINDS.contains(&system.kind.as_str())
}

/// Whether it lies on a device, of which all mounts say the same.
fn is_device(system: &FileSystem) -> bool {
    system.device.starts_with("/dev/")
}

/// The usual [`SpaceAsker::budget`].
const BUDGET: Duration = Duration::from_secs(2);
/// Kinds of file systems without a device that are this machine's own.
const LOCAL_KINDS: &[&str] = &["bcachefs", "ramfs", "tmpfs", "zfs"];

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn reading(mounts: &[(&str, &str, &str)]) -> HostReading {
        let system = |(device, mount_point, kind): &(&str, &str, &str)| FileSystem {
            device: (*device).to_owned(),
            mount_point: (*mount_point).to_owned(),
            kind: (*kind).to_owned(),
            ..FileSystem::default()
        };
        let file_systems = mounts.iter().map(system).collect();
        HostReading { file_systems, ..HostReading::default() }
    }

    const FILL: Fill = Fill { space: Space { size: 3, free: 2, available: 1 }, files: None };

    #[tokio::test]
    async fn a_file_system_that_hangs_is_named_until_it_answers() {
        let (release, held) = sync_channel::<()>(0);
        let answer = move |place: String| {
            if place == "/slow" {
                held.recv().expect("released");
            }
            Some(FILL)
        };
        let mut asker = SpaceAsker::asking(answer, BUDGET).expect("a thread");
        let mut fast = reading(&[("/dev/sda1", "/", "ext4")]);
        asker.fill(&mut fast).await;
        assert_eq!(fast.file_systems[0].space, Some(FILL.space));

        asker.budget = Duration::ZERO;
        let mounts = [("/dev/sdb1", "/slow", "ext4"), ("/dev/sda1", "/", "ext4")];
        let mut slow = reading(&mounts);
        asker.fill(&mut slow).await;
        assert_eq!(slow.problems, ["the file system at /slow did not answer within 0 s"]);
        let silent: Vec<bool> = slow.file_systems.iter().map(|system| system.is_silent).collect();
        assert_eq!(silent, [true, false]);

        let mut still = reading(&mounts[1..]);
        asker.fill(&mut still).await;
        assert!(!still.file_systems[0].is_silent, "it was not asked");
        let told = ["the file system at /slow still hangs; no file system was asked"];
        assert_eq!(
            (still.problems.as_slice(), still.file_systems[0].space),
            (&told.map(str::to_owned)[..], None)
        );

        release.send(()).expect("the thread waits");
        asker.budget = BUDGET;
        let mut again = still;
        while again.file_systems[0].space.is_none() {
            again = reading(&mounts[1..]);
            asker.fill(&mut again).await;
        }
        assert_eq!(again.problems, Vec::<String>::new());
    }

    #[tokio::test]
    async fn only_this_machines_devices_are_asked_and_each_once() {
        let (asked, places) = sync_channel(8);
        let answer = move |place: String| {
            asked.send(place).expect("room");
            None
        };
        let mut asker = SpaceAsker::asking(answer, BUDGET).expect("a thread");
        let mut found = reading(&[
            ("nas:/export", "/mnt/nas", "nfs4"),
            ("/dev/sda1", "/", "ext4"),
            ("/dev/sda1", "/srv", "ext4"),
            ("me@there:", "/mnt/ssh", "fuse.sshfs"),
            ("tmpfs", "/run", "tmpfs"),
            ("tmpfs", "/tmp", "tmpfs"),
        ]);
        asker.fill(&mut found).await;
        assert_eq!(places.try_iter().collect::<Vec<_>>(), ["/", "/run", "/tmp"]);
        let silent: Vec<bool> = found.file_systems.iter().map(|system| system.is_silent).collect();
        assert_eq!(silent, [false, true, true, false, true, true]);
    }
}
