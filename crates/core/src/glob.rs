//! Patterns with `*` (any text) and `?` (any one character), as people filter names by.

use std::fmt;

/// A pattern; matches the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// Takes a pattern of 1 to 300 characters, none of them a control character.
    ///
    /// # Errors
    /// When it is empty, too long, or has a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidGlob> {
        let chars: Vec<char> = text.chars().take(GLOB_CHARS_MAX + 1).collect();
        let fits = (1..=GLOB_CHARS_MAX).contains(&chars.len());
        if !fits || chars.iter().any(|c| c.is_control()) {
            return Err(InvalidGlob);
        }
        Ok(Self(chars))
    }

    /// Whether the whole text matches. Takes at most pattern times text steps.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut in_text) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while in_text < text.len() {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, in_text));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == text[in_text] => {
                    at += 1;
                    in_text += 1;
                }
                // The last star takes one character more.
                _ => match star {
                    Some((place, taken)) => {
                        star = Some((place, taken + 1));
                        (at, in_text) = (place + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|c| *c == '*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().collect::<String>())
    }
}

/// A text that is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern has 1 to {GLOB_CHARS_MAX} characters, * for any text and ? for any one character"
)]
pub struct InvalidGlob;

/// The longest pattern, in characters: a known hosts file names the longest host, in brackets and with
/// its port, in 261.
const GLOB_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_the_whole_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("gpu-*", "gpu-server", true),
            ("gpu-*", "cpu-server", false),
            ("*.service", "docker.service", true),
            ("*.service", "docker.service.d", false),
            ("a*b*c", "a--b--b-c", true),
            ("a*b*c", "a--b--b-", false),
            ("gpu-??", "gpu-12", true),
            ("gpu-??", "gpu-1", false),
            ("ü?", "üß", true),
            ("/", "/", true),
            ("/", "/home", false),
            ("**", "x", true),
        ] {
            let glob = Glob::parse(pattern).expect("a pattern");
            assert_eq!(glob.matches(text), expected, "{pattern} {text}");
            assert_eq!(glob.to_string(), pattern);
        }
        for bad in ["", "a\nb", &"x".repeat(301)] {
            assert!(Glob::parse(bad).is_err(), "{bad:?}");
        }
    }
}
