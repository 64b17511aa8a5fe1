//! Files that people write, in JSON or TOML; which of the two is seen by what is in them.
//!
//! **Invariant:** an error names the file and the line.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::exit::Failure;

/// The two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Toml,
}

impl Form {
    /// TOML begins with a key, a comment or `[table]`; JSON with `{`, or with a list of something.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let Some(inner) = text.strip_prefix('[') else {
            return if text.starts_with('{') { Self::Json } else { Self::Toml };
        };
        match inner.trim_start().chars().next() {
            Some('{' | ']') | None => Self::Json,
            Some(_) => Self::Toml,
        }
    }
}

/// Reads a small file of either form.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = bytes(path, FILE_BYTES_MAX)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} is larger than 1 MiB", path.display())));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    match Form::of(&text) {
        Form::Json => {
            serde_json::from_str(&text).map_err(|error| at(path, error.line(), &plain(&error)))
        }
        Form::Toml => toml::from_str(&text).map_err(|error| in_toml(path, &text, &error)),
    }
}

/// Reads at most one byte more than `limit`, so that the caller can tell that it is too large.
pub(crate) fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What is wrong with a TOML file, and where.
pub(crate) fn in_toml(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    at(path, line_of(text, error.span()), error.message())
}

/// The line, from 1, on which something begins.
pub(crate) fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start).min(text.len());
    text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// A failure at a line of a file.
pub(crate) fn at(path: &Path, line: usize, message: &str) -> Failure {
    Failure::usage(format!("{}:{line}: {message}", path.display()))
}

/// Without the position that serde's text ends with: the line is said in front.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// A policy is a page of text.
const FILE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::policy::Policy;

    #[test]
    fn the_form_is_seen_by_the_content() {
        for (text, form) in [
            ("{}", Form::Json),
            ("\u{feff} {", Form::Json),
            ("[]", Form::Json),
            (" [ {\"name\"", Form::Json),
            ("[[services]]\nname = \"a\"", Form::Toml),
            ("[timeouts]\nidle = \"5s\"", Form::Toml),
            ("# a comment\nbalance = \"random\"", Form::Toml),
            ("", Form::Toml),
        ] {
            assert_eq!(Form::of(text), form, "{text:?}");
        }
    }

    fn policy(text: &str) -> Result<Policy, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("policy");
        std::fs::write(&path, text).expect("written");
        read(&path).map_err(|failure| failure.message.rsplit('/').next().expect("text").to_owned())
    }

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"{"balance":"random","timeouts":{"idle":30},"allow":["10.0.0.0/8"],
            "request_headers":{"set":{"X-A":"1"}},"rate":{"requests":5}}"#;
        let toml = "balance = \"random\"\nallow = [\"10.0.0.0/8\"]\n[timeouts]\nidle = 30\n\
            [request_headers.set]\nX-A = \"1\"\n[rate]\nrequests = 5\n";
        let policy_of = |text| policy(text).expect(text);
        assert_eq!(policy_of(json), policy_of(toml));
        assert_ne!(policy_of(json), Policy::default());
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("{\n\"balance\": \"fast\"\n}", "policy:2: \"fast\" is not a balance policy"),
            ("{\n\n\"balanse\": 1}", "policy:3: unknown field `balanse`"),
            ("balance = \"random\"\nlisten = 0.5\n", "policy:2: "),
            ("\n[timeouts]\nidle = \"soon\"", "policy:3: \"soon\" is not a length of time"),
            ("a = ", "policy:1: "),
        ] {
            let error = policy(text).expect_err(text);
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }
}
