//! Zones on their way to secondaries: whole (AXFR, RFC 5936) or what changed (IXFR, RFC 1995).
//!
//! **Invariant:** a transfer is of one zone as it was when it began, whatever is published meanwhile, and
//! says what a query is answered with. It is made piece by piece: no more of it is in memory than one
//! message, and queries are answered between any two.

pub(crate) mod content;
pub(crate) mod journal;
pub(crate) mod notify;

use conduit_core::clock::Timestamp;
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{RData, RecordType};

use self::content::Line;
use self::journal::{Journal, changes, is_older};
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::reply::{Encoded, Outcome, Pending};
use crate::tsig::Exchange;
use crate::zone::{Apex, Zone};

/// A transfer that was asked for and is allowed.
#[derive(Debug)]
pub struct Transfer {
    zone: Zone,
    local: Local,
    id: u16,
    question: Query,
    /// The zone's name.
    origin: AskedKey,
    /// The serial that the secondary has; `None` asks for everything.
    has: Option<u32>,
    signed: Option<Box<Exchange>>,
}

impl Transfer {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// The refusal, when it is no zone of ours, or cannot be read.
    pub(crate) fn new(
        request: &[u8],
        pending: &Pending,
        zone: &Zone,
        local: Local,
    ) -> Result<Self, Outcome> {
        let question = pending.question().clone();
        let origin = AskedKey::of(question.name());
        if zone.start_called(origin.as_slice()).is_none() {
            return Err(Outcome::NotAuth);
        }
        let has = match question.query_type() {
            RecordType::IXFR => Some(serial_of(request).ok_or(Outcome::FormErr)?),
            _ => None,
        };
        let id = pending.metadata.id;
        Ok(Self { zone: zone.clone(), local, id, question, origin, has, signed: None })
    }

    /// The zone's name.
    pub(crate) fn name(&self) -> String {
        self.question.name().to_string()
    }

    /// The serial of what is told.
    pub(crate) fn serial(&self) -> u32 {
        self.zone.serial()
    }

    /// Has every message signed.
    pub(crate) fn sign_with(&mut self, exchange: Exchange) {
        self.signed = Some(Box::new(exchange));
    }

    /// The start of the zone alone: all there is to say over UDP, after which a secondary that has
    /// another one comes back over TCP (RFC 1995 §2).
    pub(crate) fn start(mut self) -> Vec<u8> {
        let apex = self.zone.start_called(self.origin.as_slice());
        let mut start = apex.and_then(|apex| self.zone.start_of(apex)).into_iter();
        let mut message = self.message(&mut start);
        if let Some(exchange) = &mut self.signed {
            exchange.sign(&mut message, now_s());
        }
        message
    }

    /// Puts it off: the secondary tries again later.
    pub(crate) fn refuse(mut self) -> Encoded {
        let mut message = self.message(&mut std::iter::empty());
        message[3] = Outcome::Failed.code().low();
        if let Some(exchange) = &mut self.signed {
            exchange.sign(&mut message, now_s());
        }
        Encoded::new(message, Outcome::Failed)
    }

    /// The messages, each made when it is asked for.
    pub(crate) fn messages<'a>(
        &'a mut self,
        journal: &Journal,
    ) -> impl Iterator<Item = Vec<u8>> + Send + use<'a> {
        let mut signed = self.signed.take();
        let transfer = &*self;
        let mut lines = transfer.lines(journal).peekable();
        std::iter::from_fn(move || {
            lines.peek()?;
            let mut message = transfer.message(&mut lines);
            if let Some(exchange) = &mut signed {
                exchange.sign(&mut message, now_s());
            }
            Some(message)
        })
    }

    fn lines(&self, journal: &Journal) -> Box<dyn Iterator<Item = Line> + Send + '_> {
        let (zone, local) = (&self.zone, &self.local);
        let found = zone.start_called(self.origin.as_slice());
        let Some((apex, start)) = found.and_then(|apex| Some((apex, zone.start_of(apex)?))) else {
            // Invariant: that there is one was checked when the transfer was made.
            return Box::new(std::iter::empty());
        };
        let start = || std::iter::once(start.clone());
        match self.has {
            // Who has what we do not is given a new start (RFC 1995 §2).
            Some(serial) if serial == zone.serial() || is_older(zone.serial(), serial) => {
                return Box::new(start());
            }
            Some(serial) => {
                if let Some(lines) = self.changed(serial, apex, journal) {
                    return Box::new(start().chain(lines).chain(start()));
                }
            }
            None => {}
        }
        if let Some(reverse) = zone.reverse_at(self.origin.as_slice()) {
            let contents = zone.reverse_contents(reverse, local).flatten();
            return Box::new(start().chain(contents).chain(start()));
        }
        let contents = zone.contents(apex, local).flatten();
        Box::new(start().chain(contents).chain(start()))
    }

    /// What changed since a serial: the start that was, what is gone, the start that is, what is new.
    fn changed(
        &self,
        serial: u32,
        apex: &Apex,
        journal: &Journal,
    ) -> Option<impl Iterator<Item = Line> + Send + use<>> {
        let old = journal.at(serial)?;
        let (gone, added) = changes(old, &self.zone, apex, &self.local)?;
        let (before, after) = (old.start_of(apex)?, self.zone.start_of(apex)?);
        let gone = std::iter::once(before).chain(gone);
        Some(gone.chain(std::iter::once(after)).chain(added))
    }

    /// As many of the lines as a message takes; at least one.
    fn message(&self, lines: &mut dyn Iterator<Item = Line>) -> Vec<u8> {
        let mut message = Vec::with_capacity(MESSAGE_BYTES + ROOM_BYTES);
        message.extend_from_slice(&self.id.to_be_bytes());
        message.extend_from_slice(&[FLAGS, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in self.question.name().iter() {
            push_label(&mut message, label);
        }
        message.push(0);
        message.extend_from_slice(&u16::from(self.question.query_type()).to_be_bytes());
        message.extend_from_slice(&u16::from(self.question.query_class()).to_be_bytes());
        let mut count: u16 = 0;
        while message.len() < MESSAGE_BYTES {
            let Some(line) = lines.next() else { break };
            self.push_line(&mut message, &line);
            count += 1;
        }
        message[6..8].copy_from_slice(&count.to_be_bytes());
        message
    }

    fn push_line(&self, message: &mut Vec<u8>, line: &Line) {
        let owner = line.owner.as_slice();
        match owner.strip_suffix(self.origin.as_slice()) {
            Some(head) => {
                message.extend_from_slice(head);
                message.extend_from_slice(&ORIGIN_POINTER);
            }
            None => {
                message.extend_from_slice(owner);
                message.push(0);
            }
        }
        message.extend_from_slice(&line.rtype.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        message.extend_from_slice(&line.ttl_s.to_be_bytes());
        // Invariant: data was read from or made for a message, so it is below 64 KiB.
        let length = u16::try_from(line.data.len()).unwrap_or(u16::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&line.data);
    }
}

/// The serial that a secondary says it has: of the SOA in the authority section (RFC 1995 §3).
fn serial_of(request: &[u8]) -> Option<u32> {
    let message = Message::from_vec(request).ok()?;
    match &message.authorities.first()?.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    }
}

fn push_label(message: &mut Vec<u8>, label: &[u8]) {
    // Invariant: labels are at most 63 octets.
    message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
    message.extend_from_slice(label);
}

/// The time in signatures.
pub(crate) fn now_s() -> u64 {
    u64::try_from(Timestamp::now().seconds()).unwrap_or_default()
}

/// From here on a message of a transfer takes no more records.
const MESSAGE_BYTES: usize = 16_000;
/// For one record more, and a signature.
const ROOM_BYTES: usize = 512;
/// A response with authority.
const FLAGS: u8 = 0x84;
/// The name in the question.
const ORIGIN_POINTER: [u8; 2] = [0xc0, 12];
const CLASS_IN: u16 = 1;

#[cfg(test)]
pub(crate) mod tests;
