//! The doors of this crate, with what must hold for any bytes that come through them.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

mod answer;
mod decisions;
mod frames;
mod passage;
mod request;
mod streams;
mod traces;

pub use answer::upstream_answer;
pub use decisions::{probe_response, route_lookup, sni_hello};
pub use frames::h3_stream;
pub use passage::client_stream;
pub use request::{forwarded_header, host_parse, request_head};
pub use streams::{proxy_header, stream_hello};
pub use traces::trace_context;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("client_stream", client_stream);
        replay("forwarded_header", forwarded_header);
        replay("h3_stream", h3_stream);
        replay("host_parse", host_parse);
        replay("probe_response", probe_response);
        replay("proxy_header", proxy_header);
        replay("request_head", request_head);
        replay("route_lookup", route_lookup);
        replay("sni_hello", sni_hello);
        replay("stream_hello", stream_hello);
        replay("trace_context", trace_context);
        replay("upstream_answer", upstream_answer);
    }
}
