//! Version 1 of the admin API: what travels under [`ROOT`].
//!
//! **Invariant:** a field is never renamed or given another meaning within a version; new fields
//! may be added to answers, and unknown fields in requests are refused.

pub mod alerts;
pub mod audit;
pub mod config;
pub mod dns;
pub mod doctor;
pub mod error;
pub mod health;
pub mod import;
pub mod nodes;
pub mod passkeys;
pub mod queries;
pub mod routes;
pub mod services;
pub mod sessions;
pub mod sources;
pub mod status;
pub mod tls;
pub mod tokens;
pub mod traffic;
pub mod upgrade;
pub mod upstreams;
pub mod users;
pub mod why;

/// Where version 1 is served.
pub const ROOT: &str = "/api/v1";

/// Gives a wire enum its words, as they travel in JSON and as people read them.
macro_rules! wire_words {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident => $word:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $word)] $variant),+
        }

        impl $type {
            /// The word that travels.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use wire_words;
