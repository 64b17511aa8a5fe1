//! What people call a service, beside its name.
//!
//! **Invariant:** a [`Title`] is one line of 1 to [`TITLE_CHARS_MAX`] characters, without blanks at its
//! ends and without characters that only steer how text is shown. It is text, never markup: whoever
//! shows it escapes it.

use std::fmt;
use std::sync::Arc;

/// A title such as `GPU dashboards`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Title(Arc<str>);

impl Title {
    /// Takes a text; blanks at its ends do not count.
    ///
    /// # Errors
    /// When nothing is left, it is too long, or it holds control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidTitle> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidTitle::Empty);
        }
        if text.chars().nth(TITLE_CHARS_MAX).is_some() {
            return Err(InvalidTitle::TooLong);
        }
        if text.chars().any(steers) {
            return Err(InvalidTitle::Control);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is no title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTitle {
    /// It holds a character that is not shown.
    #[error("a title has no line breaks and no other control characters")]
    Control,
    /// Nothing is in it.
    #[error("a title is not empty; leave it out instead")]
    Empty,
    /// It is longer than anybody reads.
    #[error("a title has at most {TITLE_CHARS_MAX} characters")]
    TooLong,
}

/// Control characters, line and paragraph separators, and those that turn the direction of text, by
/// which one title could look like another.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The most characters of a title.
pub const TITLE_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        for (text, shown) in [
            ("GPU dashboards", "GPU dashboards"),
            ("  Grafik für alle ", "Grafik für alle"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ] {
            assert_eq!(Title::parse(text).expect(text).as_str(), shown);
        }
        let longest = "ä".repeat(TITLE_CHARS_MAX);
        assert_eq!(Title::parse(&longest).expect("fits").to_string(), longest);
        for (text, error) in [
            ("", InvalidTitle::Empty),
            (" \t ", InvalidTitle::Empty),
            ("a\nb", InvalidTitle::Control),
            ("a\u{7}b", InvalidTitle::Control),
            ("a\u{202e}b", InvalidTitle::Control),
            ("a\u{2066}b", InvalidTitle::Control),
        ] {
            assert_eq!(Title::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Title::parse(&"x".repeat(TITLE_CHARS_MAX + 1)), Err(InvalidTitle::TooLong));
    }
}
