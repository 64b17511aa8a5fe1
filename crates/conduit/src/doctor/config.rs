//! Whether the configuration on the disk is legal, and the one that holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_admin::control::{ControlError, Reloaded};
use conduit_admin::finding::{Check, Finding};

use super::aside::Aside;
use crate::reload::Attached;

/// Reads the gateway's own file again, without applying anything.
pub(crate) async fn of_gateway(reloader: Option<&Arc<Attached>>, aside: &Aside) -> Vec<Finding> {
    let Some(reloader) = reloader else {
        return vec![Finding::skipped(CHECK, "started without a file that could change")];
    };
    let (path, reloader) = (reloader.path(), Arc::clone(reloader));
    match aside.run(move || reloader.ahead()).await {
        Some(ahead) => judge(path, ahead),
        None => vec![Finding::skipped(CHECK, "an earlier look at the file still hangs")],
    }
}

/// Judges what a reload would do.
fn judge(path: Option<PathBuf>, ahead: Result<Reloaded, ControlError>) -> Vec<Finding> {
    let findings = match ahead {
        Err(error) => vec![refused(&error.to_string(), path.as_deref())],
        Ok(Reloaded { applied, needs_restart }) => {
            let mut findings = Vec::new();
            if !needs_restart.is_empty() {
                let keys = needs_restart.join(", ");
                let message = format!("changed since the start, and not in force: {keys}");
                findings.push(
                    Finding::warn(CHECK, message)
                        .hint("restart the gateway, or run `conduit upgrade`"),
                );
            }
            if !applied.is_empty() {
                let message = format!("changed, and not in force: {}", applied.join(", "));
                findings
                    .push(Finding::warn(CHECK, message).hint("apply it: `conduit config reload`"));
            }
            if findings.is_empty() {
                findings.push(Finding::ok(CHECK, "legal and in force"));
            }
            findings
        }
    };
    let path = path.map(|path| path.display().to_string());
    findings.into_iter().map(|finding| Finding { subject: path.clone(), ..finding }).collect()
}

/// A file that a start or a reload would refuse; what is about it is not named again in each line.
pub(crate) fn refused(reason: &str, path: Option<&Path>) -> Finding {
    let place = path.map(|path| format!("{}:", path.display())).unwrap_or_default();
    let lines = reason.lines().map(|line| line.trim().strip_prefix(&place).unwrap_or(line));
    Finding::fail(CHECK, lines.collect::<Vec<_>>().join("\n")).hint(
        "correct it, and try it with `conduit config check`; the next start or reload refuses it",
    )
}

const CHECK: Check = Check::Config;

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_admin::finding::Verdict;

    #[test]
    fn what_a_reload_would_do_is_told_before() {
        let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
        let ahead = |applied: &[&str], needs_restart: &[&str]| {
            Ok(Reloaded { applied: keys(applied), needs_restart: keys(needs_restart) })
        };
        for (ahead, expected) in [
            (ahead(&[], &[]), vec![(Verdict::Ok, "legal and in force")]),
            (
                ahead(&["log.level"], &["dns.listen", "dns.ttl"]),
                vec![
                    (
                        Verdict::Warn,
                        "changed since the start, and not in force: dns.listen, dns.ttl",
                    ),
                    (Verdict::Warn, "changed, and not in force: log.level"),
                ],
            ),
            (
                Err(ControlError::Invalid("/c.toml:1:1: unknown key\n/c.toml:2:1: no".into())),
                vec![(Verdict::Fail, "1:1: unknown key; 2:1: no")],
            ),
        ] {
            let found = judge(Some("/c.toml".into()), ahead);
            let told: Vec<_> = found.iter().map(|f| (f.verdict, &*f.message)).collect();
            assert_eq!(told, expected);
            assert!(found.iter().all(|f| f.subject.as_deref() == Some("/c.toml")));
        }
    }
}
