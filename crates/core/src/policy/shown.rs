//! A policy as those see it who may not see its secrets.
//!
//! **Invariant:** what stands for a secret cannot be taken for one: reading it back is refused.

use std::collections::BTreeMap;

use serde::Serialize;

use super::text::InvalidText;
use super::{ApiKey, FieldName, Policy};

/// What stands for a hashed password, a hashed key or a credential in a header.
pub const HIDDEN: &str = "(hidden)";

/// A policy without its secrets; it can be written and not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPolicy {
    #[serde(flatten)]
    open: Policy,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    basic_auth: Vec<ShownUser>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    api_keys: Vec<ShownKey>,
    #[serde(rename = "request_headers", skip_serializing_if = "Option::is_none")]
    credentials: Option<ShownFields>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShownUser {
    user: String,
    hash: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShownKey {
    #[serde(flatten)]
    scope: BTreeMap<&'static str, Vec<String>>,
    name: String,
    hash: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShownFields {
    set: BTreeMap<FieldName, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove: Vec<FieldName>,
}

impl Policy {
    /// The policy with [`HIDDEN`] in place of its secrets.
    pub fn without_secrets(&self) -> ShownPolicy {
        let mut open = self.clone();
        let users = std::mem::take(&mut open.basic_auth);
        let keys = std::mem::take(&mut open.api_keys);
        let secret = open.request_headers.set.keys().any(is_credential);
        let fields = secret.then(|| std::mem::take(&mut open.request_headers));
        ShownPolicy {
            open,
            basic_auth: users
                .into_iter()
                .map(|user| ShownUser { user: user.user.to_string(), hash: HIDDEN })
                .collect(),
            api_keys: keys.into_iter().map(ShownKey::of).collect(),
            credentials: fields.map(|fields| ShownFields {
                set: fields
                    .set
                    .into_iter()
                    .map(|(name, value)| {
                        let hidden = is_credential(&name);
                        let value = if hidden { HIDDEN.to_owned() } else { value.to_string() };
                        (name, value)
                    })
                    .collect(),
                remove: fields.remove,
            }),
        }
    }
}

impl ShownKey {
    fn of(key: ApiKey) -> Self {
        let texts = [
            ("paths", key.paths.iter().map(ToString::to_string).collect::<Vec<_>>()),
            ("methods", key.methods.iter().map(ToString::to_string).collect()),
        ];
        let scope = texts.into_iter().filter(|(_, texts)| !texts.is_empty()).collect();
        Self { scope, name: key.name.to_string(), hash: HIDDEN }
    }
}

fn is_credential(name: &FieldName) -> bool {
    CREDENTIALS.contains(&name.as_str())
}

/// What is said of [`HIDDEN`] when somebody sends it back.
pub(super) fn hidden() -> InvalidText {
    InvalidText::new(
        HIDDEN,
        "the value, only what those see who may not see it; ask as an admin, or write it anew",
    )
}

/// Fields that let their bearer in somewhere.
const CREDENTIALS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_cannot_be_sent_back() {
        let hash = format!("sha3-256:{}", "ab".repeat(32));
        let json = format!(
            r#"{{"basic_auth":[{{"user":"ann","hash":"$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}}],
                "api_keys":[{{"name":"ci","hash":"{hash}","paths":["/v1"]}}],
                "request_headers":{{"set":{{"authorization":"Bearer k","x-a":"1"}}}},
                "compress":true}}"#
        );
        let policy: Policy = serde_json::from_str(&json).expect("valid");
        let shown = serde_json::to_value(policy.without_secrets()).expect("written");
        assert_eq!(
            shown,
            serde_json::json!({
                "compress": true,
                "basic_auth": [{ "user": "ann", "hash": "(hidden)" }],
                "api_keys": [{ "name": "ci", "hash": "(hidden)", "paths": ["/v1"] }],
                "request_headers": { "set": { "authorization": "(hidden)", "x-a": "1" } },
            })
        );
        for part in ["basic_auth", "api_keys", "request_headers"] {
            let alone = serde_json::json!({ part: shown[part] });
            let error = serde_json::from_value::<Policy>(alone).expect_err(part).to_string();
            assert!(error.contains("ask as an admin"), "{part}: {error}");
        }
    }

    #[test]
    fn what_has_no_secrets_is_shown_as_it_is() {
        let policy: Policy = serde_json::from_str(
            r#"{"preset":"ollama","request_headers":{"set":{"x-a":"1"}},"allow":["10.0.0.0/8"]}"#,
        )
        .expect("valid");
        assert_eq!(
            serde_json::to_value(policy.without_secrets()).expect("written"),
            serde_json::to_value(&policy).expect("written")
        );
    }
}
