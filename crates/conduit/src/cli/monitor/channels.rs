//! `conduit monitor channels` and `conduit monitor test-channel`.

use conduit_api::v1::alerts::AlertChannel;

use crate::cli::args::ChannelNamed;
use crate::cli::exit::Failure;
use crate::cli::output::table;
use crate::cli::session::Session;

/// Lists them.
pub(super) async fn list(session: &Session, json: bool) -> Result<(), Failure> {
    let reply = session.client().await?.channels().await?;
    session.print(json, &reply, |list| listed(&list.channels))
}

/// Sends a test; that it did not arrive is a failure.
pub(super) async fn test(session: &Session, which: ChannelNamed) -> Result<(), Failure> {
    let reply = session.client().await?.test_channel(&which.name).await?;
    let tested = &reply.value;
    let Some(error) = &tested.error else {
        return session.print(which.output.json, &reply, |tested| {
            format!("{} took a test message in {} ms\n", tested.place, tested.took_ms)
        });
    };
    if which.output.json {
        session.print(true, &reply, |_| String::new())?;
    }
    Err(Failure::new(format!("{}: {error}", tested.name)))
}

fn listed(channels: &[AlertChannel]) -> String {
    if channels.is_empty() {
        return "No channels: nobody is told of alerts. `[[monitor.channels]]` adds one.\n".into();
    }
    let row = |channel: &AlertChannel| {
        let counts = [channel.sent, channel.failures, channel.waiting, channel.lost];
        let texts = [&channel.name, &channel.kind, &channel.place].map(Clone::clone);
        let error = channel.last_error.clone().unwrap_or_default();
        texts.into_iter().chain(counts.map(|count| count.to_string())).chain([error]).collect()
    };
    let rows: Vec<Vec<String>> = channels.iter().map(row).collect();
    table(&["CHANNEL", "KIND", "PLACE", "SENT", "FAILED", "WAITING", "LOST", "LAST ERROR"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_became_of_messages() {
        let channel = AlertChannel {
            name: "mail".into(),
            kind: "smtp".into(),
            place: "smtp://mail.example:587".into(),
            sent: 4,
            failures: 2,
            waiting: 1,
            lost: 0,
            last_error: Some("connection refused".into()),
        };
        let text = listed(&[channel]);
        let words: Vec<&str> = text.lines().last().expect("a row").split_whitespace().collect();
        let (counts, error) = (&words[3..7], &words[7..]);
        assert_eq!((counts, error), (&["4", "2", "1", "0"][..], &["connection", "refused"][..]));
        assert!(listed(&[]).contains("nobody is told"));
    }
}
