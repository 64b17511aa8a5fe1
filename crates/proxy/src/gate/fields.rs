//! Fields that a policy sets and removes.
//!
//! **Invariant:** what says where a message ends, and who it is for, is not touched: the policy was
//! refused when it names such a field.

use conduit_core::policy::Fields;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// What is changed in a head: removed first, then set.
#[derive(Debug)]
pub(super) struct FieldChanges {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
}

impl FieldChanges {
    pub(super) fn compile(fields: &Fields) -> Self {
        // What is no field was refused when the policy was read.
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
        let remove = fields.remove.iter().filter_map(|field| name(field.as_str()));
        let set = fields.set.iter().filter_map(|(field, value)| {
            Some((name(field.as_str())?, HeaderValue::from_str(value.as_str()).ok()?))
        });
        Self { remove: remove.collect(), set: set.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_removed_first_and_then_set() {
        let remove = ["Server", "X-Both"].map(|name| name.parse().expect("a name")).into();
        let mut fields = Fields { remove, ..Fields::default() };
        fields.set.insert("x-both".parse().expect("a name"), "new".parse().expect("a value"));
        fields.set.insert("X-New".parse().expect("a name"), "".parse().expect("a value"));
        let changes = FieldChanges::compile(&fields);
        let mut headers = HeaderMap::new();
        for (name, value) in [("server", "a"), ("server", "b"), ("x-both", "old"), ("x-kept", "1")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        changes.apply(&mut headers);
        assert!(!headers.contains_key("server"));
        assert_eq!(headers["x-both"], "new");
        assert_eq!(headers["x-new"], "");
        assert_eq!(headers["x-kept"], "1");
        assert!(!changes.is_empty() && FieldChanges::compile(&Fields::default()).is_empty());
    }
}
