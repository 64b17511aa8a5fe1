//! The doors of this crate, with what must hold for any bytes that come through them.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

mod decisions;
mod request;

pub use decisions::{probe_response, route_lookup, sni_hello};
pub use request::{forwarded_header, host_parse, request_head};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn seeds_hold() {
        replay("forwarded_header", forwarded_header);
        replay("host_parse", host_parse);
        replay("probe_response", probe_response);
        replay("request_head", request_head);
        replay("route_lookup", route_lookup);
        replay("sni_hello", sni_hello);
    }

    /// Runs the committed seeds of a target through its body.
    fn replay(target: &str, body: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        let seeds = fs::read_dir(corpus.join(target)).expect("a corpus");
        let mut count = 0;
        for seed in seeds {
            let path = seed.expect("an entry").path();
            eprintln!("{}", path.display());
            body(&fs::read(path).expect("a seed"));
            count += 1;
        }
        assert!(count > 0, "{target} has no seeds");
    }
}
