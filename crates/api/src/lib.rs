//! The wire types of the admin API, version 1, and a typed client.
//!
//! Everything that talks to a running gateway shares this crate and nothing else: the command
//! line, the tests and the admin room itself.
//!
//! **Invariant:** these types say what travels, never what is true: they are raw text and numbers,
//! parsed into the vocabulary at the door that receives them.

#[cfg(feature = "client")]
pub mod client;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod v1;
