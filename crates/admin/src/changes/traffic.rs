//! What went through since the last time, as one event.

use std::time::Duration;

use conduit_api::v1::traffic as wire;
use conduit_core::clock::Timestamp;
use conduit_core::name::ServiceName;
use conduit_proxy::metrics::{Traffic, TrafficByService};
use serde_json::json;

use super::{Event, event};
use crate::convert::traffic;
use crate::limits::TRAFFIC_SERVICES_MAX;

/// The counts of all services, and of those whose counts are others than before: the busiest, when
/// there are more than [`TRAFFIC_SERVICES_MAX`].
///
/// `times` are now, and since when it is counted. Says as well whether none moved.
pub(crate) fn counts(
    old: &TrafficByService,
    new: &TrafficByService,
    times: (Timestamp, Duration),
) -> (Event, bool) {
    let before = |name: &ServiceName| old.get(name).copied().unwrap_or_default();
    let mut moved: Vec<_> = new.iter().filter(|(name, now)| before(name) != **now).collect();
    let is_quiet = moved.is_empty();
    let left_out = moved.len().saturating_sub(TRAFFIC_SERVICES_MAX);
    if left_out > 0 {
        let grown = |(name, now): &(&ServiceName, &Traffic)| {
            let before = before(name);
            let bytes = now.sent_bytes.saturating_sub(before.sent_bytes);
            (now.requests.saturating_sub(before.requests), bytes)
        };
        moved.sort_unstable_by_key(|one| std::cmp::Reverse(grown(one)));
        moved.truncate(TRAFFIC_SERVICES_MAX);
    }
    let wire::TrafficList { uptime_ms, total, services, .. } = traffic::list(new, moved, times.1);
    let data = json!({
        "at": times.0.to_string(), "uptime_ms": uptime_ms, "total": total, "services": services,
        "left_out": left_out,
    });
    (event("traffic", data), is_quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(all: &[(String, u64)]) -> TrafficByService {
        let one = |requests| Traffic { requests, took_us: 1_999, ..Traffic::default() };
        let name = |text: &str| ServiceName::parse(text).expect("valid");
        all.iter().map(|(text, requests)| (name(text), one(*requests))).collect()
    }

    #[test]
    fn what_moved_is_told_with_the_total() {
        let of = |a, b| counted(&[("a".to_owned(), a), ("b".to_owned(), b)]);
        let (told, is_quiet) =
            counts(&of(1, 5), &of(3, 5), (Timestamp::now(), Duration::from_millis(1_500)));
        assert!(!is_quiet);
        assert_eq!((told.kind, &told.data["uptime_ms"]), ("traffic", &json!(1_500)));
        assert_eq!(told.data["total"]["requests"], 8);
        assert_eq!(told.data["services"]["a"]["requests"], 3);
        assert_eq!(told.data["services"]["a"]["took_ms"], 1);
        assert_eq!(told.data["services"].as_object().map(serde_json::Map::len), Some(1));
        let (told, is_quiet) = counts(&of(3, 5), &of(3, 5), (Timestamp::now(), Duration::ZERO));
        assert!(is_quiet && told.data["services"] == json!({}));
    }

    #[test]
    fn of_very_many_the_busiest_are_told() {
        let all: Vec<_> =
            (0..TRAFFIC_SERVICES_MAX as u64 + 5).map(|n| (format!("s{n}"), n + 1)).collect();
        let (told, _) = counts(
            &TrafficByService::default(),
            &counted(&all),
            (Timestamp::now(), Duration::ZERO),
        );
        assert_eq!(told.data["left_out"], 5);
        let services = told.data["services"].as_object().expect("an object");
        assert_eq!(services.len(), TRAFFIC_SERVICES_MAX);
        assert!(!services.contains_key("s4") && services.contains_key("s5"));
    }
}
