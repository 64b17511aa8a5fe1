//! A plain question, read without a decoder.
//!
//! **Invariant:** only what the decoder reads alike is read here: one question of class IN, its name not
//! compressed, and at most an OPT record without options behind it.

use hickory_proto::rr::RecordType;

use crate::handler::Transport;
use crate::key::AskedKey;
use crate::reply::{DnssecOk, HEADER_BYTES, limit_of};

/// A request that has nothing unusual.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    request: &'a [u8],
    key: AskedKey,
    /// Behind the type and the class.
    end: usize,
    pub(crate) rtype: RecordType,
    pub(crate) edns: Option<DnssecOk>,
    /// Of the reply, in octets.
    pub(crate) limit: usize,
}

impl<'a> Question<'a> {
    /// Reads a request; `None` when it is not plain.
    pub(crate) fn read(request: &'a [u8], transport: Transport) -> Option<Self> {
        let &[_, _, bits, more, 0, 1, 0, 0, 0, 0, 0, additionals] = request.first_chunk()? else {
            return None;
        };
        let is_plain = bits & !RECURSION_DESIRED == 0 && more & !(AUTHENTIC | CHECKING) == 0;
        if !is_plain {
            return None;
        }
        let key = AskedKey::of_wire(request.get(HEADER_BYTES..)?)?;
        // The root ends the name.
        let behind = HEADER_BYTES + key.as_slice().len() + 1;
        let &[kind_high, kind_low, 0, CLASS_IN] = request.get(behind..)?.first_chunk()? else {
            return None;
        };
        let end = behind + TYPE_AND_CLASS_BYTES;
        let (edns, payload) = match (additionals, request.get(end..)?) {
            (0, []) => (None, None),
            (1, &[0, 0, OPT, high, low, 0, 0, flags, 0, 0, 0]) if flags & !DNSSEC_OK == 0 => {
                let edns = DnssecOk(flags == DNSSEC_OK);
                (Some(edns), Some(u16::from_be_bytes([high, low])))
            }
            _ => return None,
        };
        let rtype = RecordType::from(u16::from_be_bytes([kind_high, kind_low]));
        Some(Self { request, key, end, rtype, edns, limit: limit_of(transport, payload) })
    }

    /// The folded name.
    pub(crate) fn key(&self) -> &[u8] {
        self.key.as_slice()
    }

    /// The request up to the end of the question.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.request.get(..self.end).unwrap_or(self.request)
    }

    /// The id, as it stands.
    pub(crate) fn id(&self) -> [u8; 2] {
        self.request.first_chunk().copied().unwrap_or_default()
    }

    /// Whether others may be asked.
    pub(crate) fn recursion_desired(&self) -> bool {
        self.request.get(2).is_some_and(|bits| bits & RECURSION_DESIRED != 0)
    }

    /// Whether the client checks signatures itself.
    pub(crate) fn checking_disabled(&self) -> bool {
        self.request.get(3).is_some_and(|bits| bits & CHECKING != 0)
    }

    /// Whether the client wants to know if an answer was verified (RFC 6840 §5.7).
    pub(crate) fn wants_authentic(&self) -> bool {
        let is_asked = self.request.get(3).is_some_and(|bits| bits & AUTHENTIC != 0);
        is_asked || self.edns.is_some_and(|edns| edns.0)
    }

    /// Where the root of the name stands.
    pub(super) fn end_of_name(&self) -> usize {
        HEADER_BYTES + self.key.as_slice().len()
    }
}

const RECURSION_DESIRED: u8 = 0x01;
const AUTHENTIC: u8 = 0x20;
const CHECKING: u8 = 0x10;
const CLASS_IN: u8 = 1;
const TYPE_AND_CLASS_BYTES: usize = 4;
/// The type of an OPT record (RFC 6891 §6.1.2).
const OPT: u8 = 41;
/// The DO bit, in the first octet of the flags (RFC 3225 §3).
pub(super) const DNSSEC_OK: u8 = 0x80;
