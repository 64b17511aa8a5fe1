//! What a provider says of somebody.
//!
//! **Invariant:** whatever it says, a name is one line of bounded length, and a list of groups is
//! bounded.

use std::fmt;

use conduit_core::title::steers;
use serde_json::{Map, Value};

/// Who somebody is to the provider, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject(String);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Verified claims about one person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims {
    subject: Subject,
    all: Map<String, Value>,
}

impl Claims {
    pub(super) fn new(subject: &str, all: Map<String, Value>) -> Self {
        Self { subject: Subject(plain(subject)), all }
    }

    /// Adds what the provider says elsewhere of the same person; what is known stays.
    pub(super) fn extend(&mut self, more: Map<String, Value>) {
        for (claim, value) in more {
            self.all.entry(claim).or_insert(value);
        }
    }

    pub(super) fn subject(&self) -> Subject {
        self.subject.clone()
    }

    /// The claim of a name. Where none has it, a dot goes into an object: `realm_access.roles`.
    pub(super) fn get(&self, claim: &str) -> Option<&Value> {
        let found = self.all.get(claim).or_else(|| {
            let (first, rest) = claim.split_once('.')?;
            rest.split('.').try_fold(self.all.get(first)?, |value, key| value.get(key))
        });
        found.filter(|value| !value.is_null())
    }

    /// What somebody is called: the claim, when it is a text that can be shown; else the subject.
    pub(super) fn name(&self, claim: &str) -> String {
        let said = self.get(claim).and_then(Value::as_str).map(plain);
        said.filter(|name| !name.is_empty()).unwrap_or_else(|| self.subject.to_string())
    }

    /// The words of a claim: a list of texts, or a single one.
    pub(super) fn words(&self, claim: &str) -> Vec<String> {
        match self.get(claim) {
            Some(Value::String(word)) => vec![word.clone()],
            Some(Value::Array(all)) => {
                let words = all.iter().filter_map(Value::as_str);
                words.take(GROUPS_MAX).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// One line that can be shown.
fn plain(text: &str) -> String {
    let shown = text.trim().chars().filter(|c| !steers(*c));
    shown.take(NAME_CHARS_MAX).collect()
}

/// The longest name that is kept, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Groups of one person that are looked at.
const GROUPS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(all: Value) -> Claims {
        let Value::Object(all) = all else { panic!("an object") };
        Claims::new("s-1", all)
    }

    #[test]
    fn a_name_is_one_line_and_never_empty() {
        let long = "x".repeat(100);
        for (said, name) in [
            (json!("Ada"), "Ada"),
            (json!(" Ada\r\nLovelace\u{202e} "), "AdaLovelace"),
            (json!(long), &long[..64]),
            (json!(""), "s-1"),
            (json!("\n"), "s-1"),
            (json!(7), "s-1"),
            (json!(null), "s-1"),
        ] {
            assert_eq!(claims(json!({ "name": said })).name("name"), name, "{said}");
        }
        assert_eq!(claims(json!({})).name("name"), "s-1");
    }

    #[test]
    fn groups_are_found_where_providers_put_them() {
        let said = claims(json!({
            "groups": ["a", 7, "b", null],
            "realm_access": { "roles": ["c"] },
            "https://site.example/roles": ["d"],
            "role": "e",
            "none": {},
        }));
        for (claim, words) in [
            ("groups", &["a", "b"][..]),
            ("realm_access.roles", &["c"]),
            ("https://site.example/roles", &["d"]),
            ("role", &["e"]),
            ("none", &[]),
            ("none.at.all", &[]),
            ("role.x", &[]),
            ("", &[]),
        ] {
            assert_eq!(said.words(claim), words, "{claim}");
        }
        let many: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
        assert_eq!(claims(json!({ "groups": many })).words("groups").len(), GROUPS_MAX);
    }

    #[test]
    fn what_a_token_says_is_not_overruled() {
        let mut said = claims(json!({ "name": "ada" }));
        let Value::Object(more) = json!({ "name": "eve", "groups": ["a"] }) else { panic!() };
        said.extend(more);
        assert_eq!((said.name("name"), said.words("groups")), ("ada".into(), vec!["a".into()]));
    }
}
