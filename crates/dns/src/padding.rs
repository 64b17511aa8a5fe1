//! Padding: messages that are encrypted tell by their length what they are about, unless many have
//! the same (RFC 7830, in the steps of RFC 8467).
//!
//! **Invariant:** a message is padded whole or stays as it was; it never grows past what a stream can
//! carry.

use crate::options::{OPTION_HEAD_BYTES, find, opt_of};
use crate::wire::{self, LENGTH_BYTES};

/// Whether a request asks for a padded reply, by being padded itself (RFC 7830 §4).
pub(crate) fn is_asked_for(request: &[u8]) -> bool {
    opt_of(request).is_some_and(|opt| matches!(find(opt.data, PADDING), Ok(Some(_))))
}

/// Makes a message as long as the next multiple of `step`; one without EDNS, or padded already, stays
/// as it is.
pub(crate) fn pad(message: &mut Vec<u8>, step: usize) {
    // Whatever is written here puts OPT last; a signature would have to follow the padding.
    let Some(opt) = wire::opt_of(message).filter(|opt| opt.data.end == message.len()) else {
        return;
    };
    let is_bare = |options| find(options, PADDING) == Ok(None);
    if !message.get(opt.data.clone()).is_some_and(is_bare) {
        return;
    }
    let bare = message.len() + OPTION_HEAD_BYTES;
    let length = bare.next_multiple_of(step).min(usize::from(u16::MAX));
    let padding = length.checked_sub(bare).and_then(|zeros| u16::try_from(zeros).ok());
    let before = opt.data.len();
    let (Some(padding), Ok(data)) = (padding, u16::try_from(before + length - message.len()))
    else {
        return;
    };
    message.extend_from_slice(&PADDING.to_be_bytes());
    message.extend_from_slice(&padding.to_be_bytes());
    message.resize(length, 0);
    let at = opt.data.start - LENGTH_BYTES;
    message[at..opt.data.start].copy_from_slice(&data.to_be_bytes());
}

/// RFC 7830 §6.
const PADDING: u16 = 12;
/// Of replies (RFC 8467 §4.1).
pub(crate) const REPLY_STEP_BYTES: usize = 468;
/// Of queries.
pub(crate) const QUERY_STEP_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, Query};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    fn message(name: &str) -> Message {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).expect("valid"), RecordType::A));
        message
    }

    #[test]
    fn a_message_is_padded_to_the_step_and_still_read() {
        for (name, step) in [("a.", 128), ("www.example.com.", 128), ("www.example.com.", 468)] {
            let mut message = message(name);
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![1, 2, 3, 4, 5, 6, 7, 8]));
            message.set_edns(edns);
            let mut bytes = message.to_vec().expect("encodes");
            assert!(!is_asked_for(&bytes));
            pad(&mut bytes, step);
            assert_eq!(bytes.len() % step, 0);
            assert!(is_asked_for(&bytes));
            let read = Message::from_vec(&bytes).expect("parses");
            let edns = read.edns.expect("kept");
            assert!(edns.option(EdnsCode::Cookie).is_some(), "the other option is kept");
            assert!(edns.option(EdnsCode::Padding).is_some());
        }
    }

    #[test]
    fn nothing_is_padded_without_edns_or_past_the_end() {
        let mut bytes = message("a.").to_vec().expect("encodes");
        let before = bytes.clone();
        pad(&mut bytes, 468);
        assert_eq!(bytes, before);
        let mut with = message("a.");
        with.set_edns(Edns::new());
        let mut bytes = with.to_vec().expect("encodes");
        pad(&mut bytes, 1 << 20);
        assert_eq!(bytes.len(), usize::from(u16::MAX));
        let before = bytes.clone();
        pad(&mut bytes, 468);
        assert_eq!(bytes, before, "no room");
        for length in 0..=before.len().min(200) {
            let mut cut = before[..length].to_vec();
            pad(&mut cut, 128);
            assert!(!is_asked_for(&cut));
        }
    }
}
