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
        Ok(Self {
            aside: Aside::start("monitor-space", |place: String| fill(&place))?,
            hanging: None,
        })
    }

    /// Fills in how full the file systems of a reading are.
    pub(super) async fn fill(&mut self, reading: &mut HostReading) {
        let deadline = Instant::now() + BUDGET;
        let mut answers: HashMap<String, Option<Fill>> = HashMap::new();
        for system in reading.file_systems.iter_mut().filter(|system| is_local(system)) {
            let known = answers.get(&system.device).copied().filter(|_| is_device(system));
            let answer = match known {
                Some(answer) => answer,
                None => match self.ask(&system.mount_point, deadline).await {
                    Ok(answer) => answer,
                    Err(problem) => {
                        system.is_silent = true;
                        reading.problems.push(problem);
                        return;
                    }
                },
            };
            answers.insert(system.device.clone(), answer);
            system.space = answer.map(|fill| fill.space);
            system.files = answer.and_then(|fill| fill.files);
            system.is_silent = answer.is_none();
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
                BUDGET.as_secs()
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

/// The time that all file systems together have to answer.
const BUDGET: Duration = Duration::from_secs(2);
/// Kinds of file systems without a device that are this machine's own.
const LOCAL_KINDS: &[&str] = &["bcachefs", "ramfs", "tmpfs", "zfs"];
