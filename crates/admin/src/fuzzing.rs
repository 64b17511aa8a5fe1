//! What a fuzzer calls: the bodies of requests, all the way into the vocabulary.

use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_core::name::ServiceName;

use crate::body::parse;
use crate::convert::register::{registration, registrations};

/// Any bytes are refused with an error of the caller's, or become registrations that are legal.
///
/// # Panics
/// When they do neither.
pub fn api_body(data: &[u8]) {
    let single = parse::<RegisterService>(data).and_then(|wish| registration(&wish));
    match single {
        Ok(registration) => {
            let name = registration.name.as_str();
            assert_eq!(ServiceName::parse(name).as_ref(), Ok(&registration.name));
            assert!(!registration.upstreams.is_empty());
        }
        Err(error) => assert!(error.status().is_client_error(), "{error:?}"),
    }
    let many = parse::<RegisterBulk>(data).and_then(|bulk| registrations(&bulk));
    if let Err(error) = many {
        assert!(error.status().is_client_error(), "{error:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn seeds_hold() {
        replay("api_body", api_body);
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
