//! Whether as many connections as are allowed can be open at once.

use conduit_admin::finding::{Check, Finding};
use rustix::process::{Resource, getrlimit};

/// How many files this process may have open; `None` is as many as it likes.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Judges that limit by the connections that clients may have open; `None` without a proxy.
pub(crate) fn judge(connections_max: Option<usize>, limit: Option<u64>) -> Vec<Finding> {
    let Some(connections) = connections_max.map(|most| most as u64) else {
        return vec![Finding::skipped(CHECK, "the proxy is off (proxy.enabled = false)")];
    };
    let needed = connections.saturating_mul(EACH).saturating_add(RESERVE);
    vec![match limit {
        Some(limit) if limit < needed => Finding::warn(
            CHECK,
            format!(
                "{limit} files may be open, and {connections} connections \
                 (proxy.limits.connections) may need {needed}"
            ),
        )
        .hint(format!(
            "raise it (LimitNOFILE={needed} for systemd, `ulimit -n {needed}` in a shell), or \
             lower proxy.limits.connections"
        )),
        Some(limit) => Finding::ok(CHECK, format!("{limit} files may be open")),
        None => Finding::ok(CHECK, "no limit"),
    }]
}

const CHECK: Check = Check::Descriptors;
/// A client's connection, and one to the upstream behind it.
const EACH: u64 = 2;
/// Listeners, the database, probes, the admin API, DNS over TCP.
const RESERVE: u64 = 1_024;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn a_connection_needs_two() {
        for (connections, limit, verdict) in [
            (Some(1_000), Some(3_024), Verdict::Ok),
            (Some(1_000), Some(3_023), Verdict::Warn),
            (Some(usize::MAX), Some(1 << 20), Verdict::Warn),
            (Some(1_000), None, Verdict::Ok),
            (None, Some(0), Verdict::Skipped),
        ] {
            assert_eq!(judge(connections, limit)[0].verdict, verdict, "{connections:?} {limit:?}");
        }
    }
}
