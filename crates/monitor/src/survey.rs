//! The texts that a reading is parsed from: what files of a machine say, each under its name.
//!
//! The local source reads the files, the script on a remote machine prints them; both are parsed by
//! the same functions. On the wire a section begins with a line `@@name`, and its text follows up
//! to the next such line. The last line is `@@end`: without it the answer was cut.
//!
//! **Invariant:** a survey is at most [`SURVEY_BYTES_MAX`] long, and names are ours: an unknown
//! section is kept and never looked at.

use std::collections::BTreeMap;

/// Texts by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    sections: BTreeMap<String, String>,
}

impl Survey {
    /// Takes what the script printed apart.
    ///
    /// # Errors
    /// When it is too long, does not begin with a section, or was cut.
    pub fn parse(printed: &str) -> Result<Self, InvalidSurvey> {
        if printed.len() > SURVEY_BYTES_MAX {
            return Err(InvalidSurvey::TooLong);
        }
        let mut sections = BTreeMap::new();
        let (mut name, mut is_whole) = (None, false);
        for line in printed.split_inclusive('\n') {
            let word = line.trim_end();
            if word == END {
                is_whole = true;
                break;
            }
            if let Some(begun) = word.strip_prefix(MARK) {
                name = Some(begun.to_owned());
                sections.entry(begun.to_owned()).or_insert_with(String::new);
            } else if let Some(text) = name.as_ref().and_then(|name| sections.get_mut(name)) {
                text.push_str(line);
            } else if !word.is_empty() {
                return Err(InvalidSurvey::NoSection);
            }
        }
        if is_whole { Ok(Self { sections }) } else { Err(InvalidSurvey::Cut) }
    }

    /// The text of a section; `None` when there is none or it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.sections.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
    }

    /// Adds a section, as the local source does.
    pub fn insert(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.sections.insert(name.into(), text.into());
    }
}

/// Why an answer is no survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSurvey {
    /// It ended before its end.
    #[error("the answer was cut before its last line")]
    Cut,
    /// Something stands before the first section.
    #[error("the answer does not begin with a section; does the login shell print something?")]
    NoSection,
    /// It goes on and on.
    #[error("the answer is longer than {SURVEY_BYTES_MAX} bytes")]
    TooLong,
}

/// The longest answer, in bytes; a machine with 128 processors and 8 GPUs prints about 100 KB.
pub const SURVEY_BYTES_MAX: usize = 4 << 20;
/// What a line that begins a section begins with.
const MARK: &str = "@@";
/// The last line.
const END: &str = "@@end";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_apart_and_cut_answers_refused() {
        let survey = Survey::parse("@@a\none\ntwo\n@@b\n@@c/d\nx\n@@end\n").expect("whole");
        assert_eq!(survey.get("a"), Some("one\ntwo\n"));
        assert_eq!((survey.get("b"), survey.get("c/d")), (None, Some("x\n")));
        assert_eq!(Survey::parse("@@a\none\n"), Err(InvalidSurvey::Cut));
        assert_eq!(Survey::parse("Welcome!\n@@a\n@@end\n"), Err(InvalidSurvey::NoSection));
    }
}
