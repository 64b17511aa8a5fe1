//! The time of a reading, on every sample of a page for Prometheus.
//!
//! Whoever asks more often than a machine is read gets the same reading twice. With its time the
//! second is dropped as a repetition; without, a rate over the two is zero, and the next is too
//! high by as much.

use std::fmt::Write;

use conduit_core::clock::Timestamp;

/// Adds the time to each sample of a page in the text form.
pub fn stamped(page: &str, read_at: Timestamp) -> String {
    let millis = read_at.micros().div_euclid(1_000);
    let mut text = String::with_capacity(page.len() * 3 / 2);
    for line in page.lines() {
        let is_sample = !line.is_empty() && !line.starts_with('#');
        let written = match is_sample {
            true => writeln!(text, "{line} {millis}"),
            false => writeln!(text, "{line}"),
        };
        // Writing to a string cannot fail.
        written.ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_a_time_and_comments_have_none() {
        let page = "# HELP a Words.\n# TYPE a gauge\na{b=\"#\"} 1\na 2.5\n";
        let at = Timestamp::from_micros(1_800_000_000_123_456);
        let expected =
            "# HELP a Words.\n# TYPE a gauge\na{b=\"#\"} 1 1800000000123\na 2.5 1800000000123\n";
        assert_eq!(stamped(page, at), expected);
        assert_eq!(stamped("", at), "");
    }
}
