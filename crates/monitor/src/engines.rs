//! What inference engines tell of themselves: load, tokens, models in memory.
//!
//! Every upstream of a service whose preset is an engine is asked over HTTP/1.1, at the paths and
//! for the series that its preset has ([`EngineTarget`]). Series have had other names in other
//! versions: `aliases.rs` holds them as data.
//!
//! **Invariant:** what an engine does not tell is `None`, and an engine that tells nothing has a
//! problem in words: missing is never idle. Answers are bounded in time and length, redirects are
//! not followed.

mod aliases;
mod ask;
mod documents;
mod exposition;
mod plan;
mod rates;
mod series;
mod source;
mod target;
mod told;

pub use rates::{EngineFigures, figures};
pub use source::EnginesSource;
pub use target::{EngineTarget, TlsFor, targets};

#[cfg(any(test, fuzzing))]
pub(crate) use documents::{read_loads, read_models, read_slots};
#[cfg(any(test, fuzzing))]
pub(crate) use exposition::samples;
#[cfg(any(test, fuzzing))]
pub(crate) use plan::{Form, read};
#[cfg(any(test, fuzzing))]
pub(crate) use told::Told;

#[cfg(test)]
mod tests;
