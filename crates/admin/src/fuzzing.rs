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
    use super::*;

    #[test]
    fn seeds_hold() {
        for seed in [
            &br#"{"name":"grafana","host":"10.0.1.50:3000","health":"/ok"}"#[..],
            br#"{"services":[{"name":"a","upstreams":["b:1","[::1]:2"]}],"prune":true}"#,
            br#"{"name":"\u0000","host":"\ud800"}"#,
            b"{\"name\":\"a\",\"host\":\"\xff:1\"}",
            b"[",
            b"",
        ] {
            api_body(seed);
        }
    }
}
