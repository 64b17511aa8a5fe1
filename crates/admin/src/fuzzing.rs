//! What a fuzzer calls: the bodies of requests, all the way into the vocabulary.

use conduit_api::v1::alerts::AddSilence;
use conduit_api::v1::nodes::AddNode;
use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::name::ServiceName;

use crate::body::parse;
use crate::convert::register::{registration, registrations};
use crate::convert::{alert, node};

/// Any bytes are refused with an error of the caller's, or become registrations, nodes and silences that are legal.
///
/// # Panics
/// When they do neither.
pub fn api_body(data: &[u8]) {
    let single = parse::<RegisterService>(data).and_then(|wish| registration(&wish, None));
    match single {
        Ok(registration) => {
            let name = registration.name.as_str();
            assert_eq!(ServiceName::parse(name).as_ref(), Ok(&registration.name));
            assert!(!registration.upstreams.is_empty());
        }
        Err(error) => assert!(error.status().is_client_error(), "{error:?}"),
    }
    let many = parse::<RegisterBulk>(data).and_then(|bulk| registrations(&bulk, &[]));
    if let Err(error) = many {
        assert!(error.status().is_client_error(), "{error:?}");
    }
    let now = Timestamp::from_seconds(0);
    match parse::<AddNode>(data).and_then(|wish| node::wanted(wish, now)) {
        Ok(node) => {
            let printed = node.destination.to_string();
            assert_eq!(Destination::parse(&printed).as_ref(), Ok(&node.destination));
        }
        Err(error) => assert!(error.status().is_client_error(), "{error:?}"),
    }
    let silence = parse::<AddSilence>(data);
    if let Err(error) = silence.and_then(|wish| alert::wanted(wish, &[], String::new(), now)) {
        assert!(error.status().is_client_error(), "{error:?}");
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("api_body", api_body);
    }
}
