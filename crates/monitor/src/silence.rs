//! Silences: alerts that a person does not want to be told for a while.
//!
//! **Invariant:** a silence keeps an alert from the channels only: the view, the record and the
//! metrics have it all the same. Every silence ends.

pub mod hush;
pub mod quiet;

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::duration;

use crate::alert::Alert;
use crate::glob::Glob;

/// A silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// What it is called by, when somebody ends it.
    pub id: u64,
    /// What it is for.
    pub scope: Scope,
    /// When it ends.
    pub until: Timestamp,
    /// Why, in the words of who made it.
    pub comment: String,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The alerts that a silence is for: those that all its patterns match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// A pattern of rules; `None` is every rule.
    pub rule: Option<Glob>,
    /// A pattern of nodes.
    pub node: Option<Glob>,
    /// A pattern of a node's things; what has no subject matches only `*`.
    pub subject: Option<Glob>,
}

impl Scope {
    /// Reads the patterns as they are written.
    ///
    /// # Errors
    /// When a pattern is none, or when there is none at all: everything is silenced by `*`.
    pub fn parse(
        rule: Option<&str>,
        node: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Self, SilenceError> {
        let pattern = |name, text: Option<&str>| {
            let read = text.map(Glob::parse).transpose();
            read.map_err(|_| SilenceError::Pattern(name))
        };
        let scope = Self {
            rule: pattern("rule", rule)?,
            node: pattern("node", node)?,
            subject: pattern("subject", subject)?,
        };
        if scope == Self::default() {
            return Err(SilenceError::Empty);
        }
        Ok(scope)
    }

    /// Whether an alert is in it.
    pub fn covers(&self, alert: &Alert) -> bool {
        let fits = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|g| g.matches(text));
        fits(&self.rule, &alert.rule)
            && fits(&self.node, alert.series.node.as_str())
            && fits(&self.subject, alert.series.subject.as_deref().unwrap_or_default())
    }
}

/// The silences that are in force, the oldest first; at most [`SILENCES_MAX`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Silences(Vec<Silence>);

impl Silences {
    /// Those that were kept over a restart and did not end since.
    pub fn restored(kept: Vec<Silence>, now: Timestamp) -> Self {
        let mut silences = Self(kept);
        silences.0.truncate(SILENCES_MAX);
        silences.end_due(now);
        silences
    }

    /// Adds one.
    ///
    /// # Errors
    /// When it ends in the past or too far away, when its words are too long, or when there are
    /// too many.
    pub fn add(
        &mut self,
        scope: Scope,
        until: Timestamp,
        (comment, by): (&str, &str),
        now: Timestamp,
    ) -> Result<&Silence, SilenceError> {
        self.end_due(now);
        if until <= now || until.since(now) > SILENCE_MAX {
            return Err(SilenceError::Until);
        }
        if comment.chars().count() > COMMENT_CHARS_MAX {
            return Err(SilenceError::Comment);
        }
        if self.0.len() >= SILENCES_MAX {
            return Err(SilenceError::TooMany);
        }
        let after_last = self.0.iter().map(|silence| silence.id + 1).max().unwrap_or(1);
        // Seconds make it unlikely that the number of one that ended is used again.
        let id = after_last.max(u64::try_from(now.seconds()).unwrap_or(1));
        let by = by.chars().take(BY_CHARS_MAX).collect();
        let comment = comment.to_owned();
        self.0.push(Silence { id, scope, until, comment, by, created_at: now });
        self.0.last().ok_or(SilenceError::TooMany)
    }

    /// Ends one now; `None` when there is none of this number.
    pub fn end(&mut self, id: u64) -> Option<Silence> {
        let place = self.0.iter().position(|silence| silence.id == id)?;
        Some(self.0.remove(place))
    }

    /// Drops those whose time is over; whether there were any.
    pub fn end_due(&mut self, now: Timestamp) -> bool {
        let before = self.0.len();
        self.0.retain(|silence| silence.until > now);
        self.0.len() != before
    }

    /// Whether an alert is silenced now.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        self.0.iter().any(|silence| silence.until > now && silence.scope.covers(alert))
    }

    /// All of them.
    pub fn list(&self) -> &[Silence] {
        &self.0
    }
}

/// Why there is no such silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It says nothing of what it is for.
    #[error("name a rule, a node or a subject; \"*\" for every one")]
    Empty,
    /// A pattern is none.
    #[error(
        "{0} is no pattern; use 1 to 128 characters, * for any text and ? for any one character"
    )]
    Pattern(&'static str),
    /// It ends in the past, or never.
    #[error("a silence ends in the future, at most {} ahead", duration::print(SILENCE_MAX))]
    Until,
    /// Its comment is a story.
    #[error("the comment is longer than {COMMENT_CHARS_MAX} characters")]
    Comment,
    /// There is no room.
    #[error("there are {SILENCES_MAX} silences; end one of them first")]
    TooMany,
}

/// The most silences at once.
pub const SILENCES_MAX: usize = 500;
/// The longest silence.
const SILENCE_MAX: Duration = Duration::from_secs(365 * 86_400);
/// The longest comment, in characters.
const COMMENT_CHARS_MAX: usize = 500;
/// How much is kept of who made it.
const BY_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;
    use crate::metric::{Metric, Series};
    use crate::node::NodeName;

    fn alert(rule: &str, node: &str, subject: Option<&str>) -> Alert {
        let node = NodeName::parse(node).expect("a name");
        Alert {
            rule: rule.into(),
            series: Series { node, metric: Metric::Disk, subject: subject.map(Into::into) },
            severity: Severity::Warning,
            value: 1.0,
            threshold: 0.9,
            message: String::new(),
            raised_at: at(0),
            is_silenced: false,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn a_silence_is_for_what_all_its_patterns_match() {
        let mut silences = Silences::default();
        let scope = Scope::parse(Some("disk-*"), Some("web-?"), None).expect("patterns");
        silences.add(scope, at(100), ("moving", "ops"), at(0)).expect("room");
        assert!(silences.covers(&alert("disk-full", "web-1", Some("/")), at(50)));
        assert!(!silences.covers(&alert("disk-full", "db-1", Some("/")), at(50)));
        assert!(!silences.covers(&alert("cpu-busy", "web-1", None), at(50)));
        assert!(!silences.covers(&alert("disk-full", "web-1", Some("/")), at(100)), "it ended");
        assert!(silences.end_due(at(100)) && silences.list().is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Scope::parse(None, None, None), Err(SilenceError::Empty));
        assert_eq!(Scope::parse(Some(""), None, None), Err(SilenceError::Pattern("rule")));
        let mut silences = Silences::default();
        let scope = || Scope::parse(Some("*"), None, None).expect("a pattern");
        for until in [at(0), at(-5), at(366 * 86_400)] {
            assert_eq!(silences.add(scope(), until, ("", ""), at(0)), Err(SilenceError::Until));
        }
        let story = "x".repeat(501);
        assert_eq!(silences.add(scope(), at(9), (&story, ""), at(0)), Err(SilenceError::Comment));
        for _ in 0..SILENCES_MAX {
            silences.add(scope(), at(9), ("", "ops"), at(0)).expect("room");
        }
        assert_eq!(silences.add(scope(), at(9), ("", ""), at(0)), Err(SilenceError::TooMany));
        let id = silences.list()[3].id;
        assert_eq!(silences.end(id).map(|silence| silence.id), Some(id));
        assert!(silences.end(id).is_none(), "each has a number of its own");
    }
}
