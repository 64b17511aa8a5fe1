//! The written forms of a policy's texts, for the document that describes the API.
//!
//! **Invariant:** every word and every example that is told is one that can be read.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{
    Balance, FieldName, FieldValue, HostPolicy, KeyHash, MethodName, Origin, OriginPolicy,
    PasswordHash, PathPrefix, Preset, ProbeKind, ProxyHeader, RateKey, RedirectStatus,
    RedirectTarget, ServerName, Size, Span, StatusSet, UpstreamTls, Url, UserName,
};

/// Describes types by what is told of each.
macro_rules! told {
    ($($type:ident, $description:literal, $told:expr;)+) => {
        $(
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $told.schema($description)
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
            }
        )+

        #[cfg(test)]
        fn each(mut check: impl FnMut(&'static str, Told<'_>, fn(serde_json::Value) -> bool)) {
            $(check(stringify!($type), $told, |text| serde_json::from_value::<$type>(text).is_ok());)+
        }
    };
}

told! {
    Balance, "How an upstream is chosen: round-robin, random, least-requests, peak-ewma, hash:client, \
        hash:path, hash:header:NAME or hash:cookie:NAME.", Told::Texts(&["least-requests", "hash:cookie:session"]);
    FieldName, "The name of a header or a cookie.", Told::Texts(&["x-team"]);
    FieldValue, "The value of a header: visible ASCII, at most 4 KiB.", Told::Texts(&["research"]);
    HostPolicy, "What `Host` says to an upstream: keep, upstream or HOST[:PORT].", Told::Texts(&["keep", "localhost:11434"]);
    KeyHash, "SHA3-256 of a key, in hexadecimal after `sha3-256:`.", Told::Texts(&[KEY_HASH]);
    MethodName, "A method, in capitals.", Told::Texts(&["GET"]);
    Origin, "An origin, or `*`.", Told::Texts(&["https://chat.internal", "*"]);
    OriginPolicy, "What `Origin` says to an upstream.", Told::Words(&["keep", "remove"]);
    PasswordHash, "A password, hashed with bcrypt or Argon2.", Told::Texts(&[BCRYPT]);
    PathPrefix, "The beginning of a path, in whole segments.", Told::Texts(&["/api"]);
    Preset, "A kind of program behind a service.", Told::Words(&Preset::ALL.map(Preset::as_str));
    ProbeKind, "What a probe is.", Told::Words(&["http", "tcp", "grpc"]);
    ProxyHeader, "A version of HAProxy's PROXY protocol.", Told::Words(&["v1", "v2"]);
    RateKey, "What a rate limit counts together.", Told::Words(&["client", "identity", "service"]);
    RedirectStatus, "301, 302, 303, 307 or 308, as a text or a number.", Told::Numbers(&["308"]);
    RedirectTarget, "An absolute path, or an http(s) URL.", Told::Texts(&["https://docs.internal/"]);
    ServerName, "A host name.", Told::Texts(&["grafana.example.com"]);
    Size, "A number of bytes, as `100MB` (decimal), `64KiB` (binary) or a number.", Told::Numbers(&["100MB", "64KiB"]);
    Span, "A length of time, as `30s`, `10m` or a number of seconds; never zero.", Told::Numbers(&["30s", "10m"]);
    StatusSet, "Statuses, as `200-299,401`.", Told::Numbers(&["200-299,401"]);
    UpstreamTls, "How the certificate of an upstream is judged: verify, insecure or `sha256:…`.", Told::Texts(&["verify", "insecure"]);
    Url, "An `http` URL with a host and a path.", Told::Texts(&["http://10.0.1.9:9091/verify"]);
    UserName, "A user's name: visible, no colon, at most 128 bytes.", Told::Texts(&["ada"]);
}

/// What is told of a written form.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// A text that may also come as a number; examples.
    Numbers(&'a [&'static str]),
    /// A text; examples.
    Texts(&'a [&'static str]),
    /// All there are.
    Words(&'a [&'static str]),
}

impl Told<'_> {
    fn schema(self, description: &'static str) -> RefOr<Schema> {
        let object = ObjectBuilder::new().description(Some(description));
        match self {
            Self::Numbers(examples) => object
                .schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
                .examples(examples.iter().copied()),
            Self::Texts(examples) => {
                object.schema_type(Type::String).examples(examples.iter().copied())
            }
            Self::Words(words) => {
                object.schema_type(Type::String).enum_values(Some(words.iter().copied()))
            }
        }
        .into()
    }
}

const KEY_HASH: &str = "sha3-256:a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a";
const BCRYPT: &str = "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_read() {
        each(|name, told, reads| {
            let (Told::Numbers(texts) | Told::Texts(texts) | Told::Words(texts)) = told;
            for text in texts {
                assert!(reads((*text).into()), "{name}: {text}");
            }
            if let Told::Words(_) = told {
                assert!(!reads("another".into()), "{name} has more words");
            }
        });
    }
}
