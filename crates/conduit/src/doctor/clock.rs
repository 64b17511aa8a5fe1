//! Whether the time is right: certificates and the record stand on it.
//!
//! What keeps the clock is asked through systemd, since no file and no safe call tells it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use conduit_admin::finding::{Check, Finding};
use conduit_core::clock::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// What the time is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// What the clock says.
    pub(crate) now: Timestamp,
    /// When the younger of the roots begins.
    pub(crate) roots_from: Option<Timestamp>,
    /// When the newest entry of the record was made.
    pub(crate) newest_entry: Option<Timestamp>,
    /// Whether a time server keeps the clock; `None` when nobody tells.
    pub(crate) is_synchronised: Option<bool>,
}

/// Judges the clock.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { now, roots_from, newest_entry, is_synchronised } = *facts;
    let mend = "set the clock (`timedatectl set-ntp true`, or a battery on the board), \
                then restart the gateway";
    if let Some(from) = roots_from.filter(|from| now < *from) {
        let message = format!("says {now}, but our roots begin only on {from}");
        return vec![Finding::fail(CHECK, message).hint(mend)];
    }
    if let Some(entry) = newest_entry.filter(|entry| now.plus(ENTRY_SLACK) < *entry) {
        let message = format!("says {now}, but the record has an entry of {entry}: it went back");
        return vec![Finding::fail(CHECK, message).hint(mend)];
    }
    vec![match is_synchronised {
        Some(true) => Finding::ok(CHECK, "synchronised"),
        Some(false) => Finding::warn(CHECK, "not synchronised with any time server").hint(
            "turn it on: `timedatectl set-ntp true`, or point chrony at a server of the site",
        ),
        None => Finding::skipped(CHECK, "nothing here tells whether it is synchronised"),
    }]
}

/// Asks systemd whether a time server keeps the clock, whichever program does it.
pub(crate) async fn is_synchronised() -> Option<bool> {
    if Path::new(SYNCHRONISED_FLAG).exists() {
        return Some(true);
    }
    let mut command = Command::new(PROGRAM);
    command.args(ARGUMENTS).env("LC_ALL", "C").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut printed = String::new();
    let read = async {
        let output = child.stdout.take()?;
        output.take(PRINTED_BYTES_MAX).read_to_string(&mut printed).await.ok()?;
        child.wait().await.ok()
    };
    let status = timeout(PATIENCE, read).await.ok()??;
    status.success().then(|| said(&printed)).flatten()
}

fn said(printed: &str) -> Option<bool> {
    match printed.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

const CHECK: Check = Check::Clock;
/// systemd-timesyncd makes it once it has the time.
const SYNCHRONISED_FLAG: &str = "/run/systemd/timesync/synchronized";
/// Asks the kernel, so chrony and ntpd are seen too.
const PROGRAM: &str = "timedatectl";
const ARGUMENTS: [&str; 3] = ["show", "--property=NTPSynchronized", "--value"];
const PRINTED_BYTES_MAX: u64 = 64;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far an entry may be ahead: clocks are slewed, and entries made at the same time.
const ENTRY_SLACK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn a_clock_that_went_back_fails() {
        let now = Timestamp::from_seconds(1_775_304_000);
        let hour = Duration::from_secs(3_600);
        let second = Duration::from_secs(1);
        for (roots_from, newest_entry, is_synchronised, verdict) in [
            (None, None, Some(true), Verdict::Ok),
            (Some(now.minus(hour)), Some(now.minus(second)), Some(true), Verdict::Ok),
            (None, Some(now.plus(second)), Some(true), Verdict::Ok),
            (None, None, Some(false), Verdict::Warn),
            (None, None, None, Verdict::Skipped),
            (Some(now.plus(hour)), None, Some(true), Verdict::Fail),
            (None, Some(now.plus(hour)), Some(true), Verdict::Fail),
        ] {
            let found = judge(&Facts { now, roots_from, newest_entry, is_synchronised });
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].verdict, verdict, "{found:?}");
            let is_bad = matches!(verdict, Verdict::Fail | Verdict::Warn);
            assert_eq!(found[0].hint.is_some(), is_bad);
        }
    }

    #[test]
    fn only_plain_words_are_believed() {
        assert_eq!(said("yes\n"), Some(true));
        assert_eq!(said("no\n"), Some(false));
        assert_eq!(said("System has not been booted with systemd"), None);
    }
}
