//! Whether alerts arrive, by what became of the last messages.

use conduit_admin::finding::{Check, Finding};
use conduit_admin::monitor::{ChannelStatus, Monitor};

use crate::monitor::SiteMonitor;

/// Judges the channels of the running monitor.
pub(crate) fn look(monitor: Option<&SiteMonitor>) -> Vec<Finding> {
    match monitor {
        None => {
            vec![Finding::skipped(CHECK, "the monitor is off (monitor.enabled = false)")]
        }
        Some(monitor) => judge(&monitor.channels()),
    }
}

fn judge(channels: &[ChannelStatus]) -> Vec<Finding> {
    if channels.is_empty() {
        let message = "nobody is told of alerts: there is no [[monitor.channels]]";
        return vec![Finding::skipped(CHECK, message)];
    }
    let one = |channel: &ChannelStatus| {
        let name = &channel.name;
        let finding = match (&channel.last_error, channel.lost) {
            (Some(error), _) => Finding::warn(CHECK, format!("{}: {error}", channel.place))
                .hint(format!("correct it, and try it: `conduit monitor test-channel {name}`")),
            (None, 0) => Finding::ok(CHECK, format!("{}: nothing failed", channel.place)),
            (None, lost) => Finding::warn(CHECK, format!("{lost} changes were never told"))
                .hint("it was away for too long, or too many alerts came at once"),
        };
        finding.about(name)
    };
    channels.iter().map(one).collect()
}

const CHECK: Check = Check::Channels;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn a_channel_that_fails_says_why() {
        for (last_error, lost, verdict) in [
            (None, 0, Verdict::Ok),
            (Some("connection refused"), 0, Verdict::Warn),
            (None, 3, Verdict::Warn),
        ] {
            let channel = ChannelStatus {
                name: "mail".into(),
                kind: "smtp",
                place: "mail.internal:25".into(),
                sent: 1,
                failures: 0,
                waiting: 0,
                lost,
                last_error: last_error.map(str::to_owned),
            };
            let found = judge(&[channel]);
            assert_eq!(found[0].verdict, verdict, "{found:?}");
            assert_eq!(found[0].subject.as_deref(), Some("mail"));
        }
        assert_eq!(judge(&[])[0].verdict, Verdict::Skipped);
    }
}
