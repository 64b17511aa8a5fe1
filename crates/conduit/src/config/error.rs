//! What is wrong with a configuration, told so that it can be mended.
//!
//! **Invariant:** every problem names its place (file, line and column, or variable), its key and
//! the reason.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::keys;
use super::value::Origin;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is there and cannot be read, or was asked for and is not there.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no configuration of a sane size.
    #[error("the configuration {} is larger than 1 MiB", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// Something in it is wrong; one line each.
    #[error("{report}")]
    Invalid {
        /// The lines, each with place, key and reason.
        report: String,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// Such as `dns.listen`; empty when the file as a whole cannot be read.
    pub(crate) key: &'static str,
    pub(crate) origin: Origin,
    pub(crate) reason: String,
}

/// A file's text with its name, and the environment file's, to turn origins into places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) text: &'a str,
}

impl Places<'_> {
    /// The problems as one error, a line each.
    pub(crate) fn report(&self, problems: &[Problem]) -> ConfigError {
        let lines: Vec<String> = problems.iter().map(|p| self.line(p)).collect();
        ConfigError::Invalid { report: lines.join("\n") }
    }

    /// The error of the TOML parser, with the nearest known key where one is unknown.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let reason = unknown_key(error.message()).unwrap_or_else(|| error.message().to_owned());
        let key = error.span().and_then(|span| self.key_at(span.start));
        let reason = match key {
            Some(key) => format!("{key}: {reason}"),
            None => reason,
        };
        let origin = error.span().map_or(Origin::Default, Origin::File);
        self.report(&[Problem { key: "", origin, reason }])
    }

    /// The key whose value starts behind it on the same line, for errors about values.
    fn key_at(&self, offset: usize) -> Option<&str> {
        let before = self.text.get(..offset)?;
        let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
        let (key, _) = line.split_once('=')?;
        Some(key.trim())
    }

    fn line(&self, problem: &Problem) -> String {
        let mut line = match &problem.origin {
            Origin::Default => self.name(),
            Origin::Env(variable) => format!("environment variable {variable}"),
            Origin::EnvFile(variable) => format!(".env.conduit: {variable}"),
            Origin::File(span) => {
                let (row, column) = position(self.text, span);
                format!("{}:{row}:{column}", self.name())
            }
        };
        if !problem.key.is_empty() {
            // Invariant: writing to a String cannot fail.
            write!(line, ": {}", problem.key).unwrap_or_default();
        }
        write!(line, ": {}", problem.reason).unwrap_or_default();
        line
    }

    fn name(&self) -> String {
        self.path.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string())
    }
}

/// Line and column, both from 1, of a span's first byte; columns count characters.
fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let before = &text[..start];
    let row = before.matches('\n').count() + 1;
    let line = before.rsplit('\n').next().unwrap_or(before);
    (row, line.chars().count() + 1)
}

/// Rewrites serde's message about an unknown field: the nearest key, and where it belongs.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let given: String = quoted.next()?.chars().take(60).collect();
    let known: Vec<&str> = quoted.collect();
    if let Some(near) = nearest(&given, &known) {
        return Some(format!("unknown key `{given}`; did you mean `{near}`?"));
    }
    let elsewhere = keys::sections_with(&given);
    let here = known.join(", ");
    Some(match elsewhere.first() {
        // Another word for one of these few is as likely.
        Some(section) if known.len() <= FEW_KEYS => {
            format!("unknown key `{given}` here; it belongs in [{section}]; known here: {here}")
        }
        Some(section) => format!("unknown key `{given}` here; it belongs in [{section}]"),
        None => format!("unknown key `{given}`; known here: {here}"),
    })
}

/// The known word closest to `given`, when it is close enough to be a slip.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (given.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|word| (distance(given, word), *word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Edit distance: insertions, deletions, substitutions, and neighbours that changed places.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let substituted = last[j] + usize::from(a[i] != b[j]);
            let mut least = substituted.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// So many can be read through.
const FEW_KEYS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_key() {
        let known = ["listen", "enabled", "forwarders"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("forwarder", &known), Some("forwarders"));
        assert_eq!(nearest("lisetn", &known), Some("listen"));
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!(nearest("", &["a"]), Some("a"));
    }

    #[test]
    fn positions_count_lines_and_characters() {
        assert_eq!(position("a\nbä = 1", &(2..3)), (2, 1));
        assert_eq!(position("a\nbä = 1", &(6..7)), (2, 4));
        assert_eq!(position("a", &(9..12)), (1, 2));
    }
}
