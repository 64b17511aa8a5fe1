//! The doors of this crate, with what must hold for any bytes that come through them.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

mod decisions;
mod request;

pub use decisions::{probe_response, route_lookup, sni_hello};
pub use request::{forwarded_header, host_parse, request_head};
