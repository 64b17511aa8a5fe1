//! What a fuzzer calls; the bodies that outsiders send.

use crate::v1::config::BackupRequest;
use crate::v1::error::ErrorBody;
use crate::v1::services::{RegisterBulk, RegisterService, Service};
use crate::v1::sessions::BeginSession;
use crate::v1::tokens::CreateToken;
use crate::v1::users::{AddUser, SetPassword};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Any body that is taken is written back and taken again as the same.
///
/// # Panics
/// When it is not.
pub fn wire_body(data: &[u8]) {
    round_trip::<RegisterService>(data);
    round_trip::<RegisterBulk>(data);
    round_trip::<CreateToken>(data);
    round_trip::<BackupRequest>(data);
    round_trip::<BeginSession>(data);
    round_trip::<AddUser>(data);
    round_trip::<SetPassword>(data);
    round_trip::<Service>(data);
    round_trip::<ErrorBody>(data);
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(data) else {
        return;
    };
    // Invariant: wire types hold nothing that JSON cannot say.
    let text = serde_json::to_vec(&value).expect("wire types serialize");
    let again: T = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(value, again);
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
        replay("wire_body", wire_body);
    }
}
