//! Whether the record holds everything that was observed lately.

use std::time::Duration;

use conduit_admin::finding::{Check, Finding};
use conduit_audit::Action;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_registry::Registry;
use serde_json::Value;

/// A `gap`: when it was written down, and how many observations it stands for.
type Gap = (Timestamp, u64);

/// Looks for gaps among the newest entries.
pub(crate) async fn look(registry: &Registry, now: Timestamp) -> Vec<Finding> {
    let entries = match registry.entries(ENTRIES_MAX, None).await {
        Ok(entries) => entries,
        Err(error) => {
            return vec![
                Finding::fail(CHECK, format!("cannot be read: {}", Chain(&error)))
                    .hint("`conduit audit verify` looks at the files themselves"),
            ];
        }
    };
    let gaps = entries.iter().filter(|entry| entry.action == Action::Gap.as_str());
    let lost = |details: &serde_json::Map<String, Value>| {
        details.get("lost").and_then(Value::as_u64).unwrap_or(1)
    };
    let gaps: Vec<Gap> = gaps.map(|entry| (entry.at, lost(&entry.details))).collect();
    vec![judge(&gaps, now)]
}

fn judge(gaps: &[Gap], now: Timestamp) -> Finding {
    let recent = gaps.iter().filter(|(at, _)| now.since(*at) <= RECENT);
    let lost: u64 = recent.clone().map(|(_, lost)| lost).sum();
    match recent.map(|(at, _)| at).max() {
        None => Finding::ok(CHECK, "nothing was lost in the last day"),
        Some(last) => {
            let message = format!("{lost} observations were lost in the last day, last at {last}");
            Finding::warn(CHECK, message)
                .hint("the disk was too slow for what happened; decisions are never lost")
        }
    }
}

const CHECK: Check = Check::Record;
/// How many entries are looked at, from the newest.
const ENTRIES_MAX: u32 = 500;
/// How old a gap may be to be told.
const RECENT: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn gaps_of_the_last_day_are_told() {
        let now = Timestamp::from_seconds(1_775_304_000);
        let ago = |seconds| now.minus(Duration::from_secs(seconds));
        for (gaps, verdict) in [
            (vec![], Verdict::Ok),
            (vec![(ago(90_000), 7)], Verdict::Ok),
            (vec![(ago(90_000), 7), (ago(60), 3), (ago(30), 2)], Verdict::Warn),
        ] {
            let found = judge(&gaps, now);
            assert_eq!(found.verdict, verdict);
            if verdict == Verdict::Warn {
                assert!(found.message.starts_with("5 observations"), "{}", found.message);
            }
        }
    }
}
