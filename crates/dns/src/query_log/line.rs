//! A query as it is told.
//!
//! **Invariant:** total: whatever a client sent has a line, and a line is bounded.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use hickory_proto::op::{Header, Message, Query as Question};
use hickory_proto::rr::{DNSClass, Name, Record};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use super::Query;
use super::noted::End;
use crate::forward::Known;
use crate::lists::{By, ListNote};
use crate::presentation::shown;
use crate::reply::{HEADER_BYTES, Outcome};
use crate::why::Origin;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When the query came.
    pub at: Timestamp,
    /// How long the answer took.
    pub took: Duration,
    /// Who asked, as far as it may be told.
    pub client: Option<IpAddr>,
    /// How it came.
    pub transport: &'static str,
    /// What was asked; `None` when that could not be read.
    pub question: Option<Asked>,
    /// What was said, such as `nxdomain`; why nothing was, for a query that was dropped.
    pub outcome: &'static str,
    /// The response code; `None` for a query that was dropped.
    pub rcode: Option<&'static str>,
    /// Where that comes from.
    pub source: Source,
    /// The entry of a list or hosts file that it comes from, such as `ads, line 12: ads.example`.
    pub list: Option<String>,
    /// The records of the answer, each as its type and data; the first ones.
    pub answers: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name in lower case, without the last dot.
    pub name: String,
    /// The type, with the class when it is not IN.
    pub rtype: String,
    /// Whether signatures were wanted.
    pub dnssec_ok: bool,
    /// Whether the client checks them itself.
    pub checking_disabled: bool,
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Our own zone.
    Zone(Origin),
    /// What a forwarder answered before.
    Cache(Option<SocketAddr>),
    /// A forwarder.
    Forwarder(Option<SocketAddr>),
    /// What a forwarder answered once, since none answers now.
    Stale(Option<SocketAddr>),
    /// A hosts file, about a name that is not ours.
    Hosts,
    /// A list.
    List,
    /// A name that is answered here whoever asks.
    Special,
    /// Nobody could be asked.
    Nobody,
    /// Who may ask what.
    Policy,
    /// The request itself.
    Request,
}

impl Source {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Zone(origin) => origin.as_str(),
            Self::Cache(_) => "cache",
            Self::Forwarder(_) => "forwarder",
            Self::Stale(_) => "stale",
            Self::Hosts => "hosts",
            Self::List => "list",
            Self::Special => "special",
            Self::Nobody => "nobody",
            Self::Policy => "policy",
            Self::Request => "request",
        }
    }

    /// Whose answer it is.
    pub fn forwarder(&self) -> Option<SocketAddr> {
        match self {
            Self::Cache(from) | Self::Forwarder(from) | Self::Stale(from) => *from,
            _ => None,
        }
    }
}

impl Query {
    /// Reads what was copied.
    pub fn line(&self) -> Line {
        let asked = question(&self.request);
        let (outcome, rcode, (source, list), reply) = match &self.end {
            End::Dropped(reason, table) => {
                let listed = table.as_ref().zip(asked.as_ref()).and_then(|(table, (_, asked))| {
                    table.quiet().trace(asked.name(), asked.query_type())
                });
                let source = match &listed {
                    Some(trace) => listed_source(&trace.note()),
                    None => (Source::Request, None),
                };
                (reason.as_str(), None, source, None)
            }
            End::Own { reply, outcome, zone, local, listed } => {
                let source = match listed {
                    Some(note) => listed_source(note),
                    None => own_source(reply, *outcome, || {
                        asked.as_ref().map(|(_, asked)| zone.origin(asked, local))
                    }),
                };
                (outcome.as_str(), Some(outcome.rcode()), source, Some(reply))
            }
            End::Other { reply, outcome, known, listed } => {
                let source = match listed {
                    Some(note) if note.by != By::Alias => listed_source(note),
                    note => (known_source(known), note.as_ref().map(|note| note.text.clone())),
                };
                (outcome.as_str(), Some(outcome.rcode()), source, Some(reply))
            }
        };
        let (answers, more) = reply.and_then(|reply| answers(reply)).unwrap_or_default();
        Line {
            at: self.at,
            took: self.took,
            client: self.client,
            transport: self.transport.as_str(),
            question: asked.map(|(asked, _)| asked),
            outcome,
            rcode,
            source,
            list,
            answers,
            more,
        }
    }
}

/// What is behind a reply that was made here at once: the authoritative ones are the zone's.
fn own_source(
    reply: &[u8],
    outcome: Outcome,
    origin: impl Fn() -> Option<Origin>,
) -> (Source, Option<String>) {
    let is_authoritative = reply.get(2).is_some_and(|bits| bits & AUTHORITATIVE != 0);
    let source = match outcome {
        Outcome::FormErr | Outcome::NotImp | Outcome::BadVersion => Source::Request,
        Outcome::Refused => Source::Policy,
        _ if is_authoritative => Source::Zone(origin().unwrap_or(Origin::Zone)),
        _ => Source::Nobody,
    };
    let place = match &source {
        Source::Zone(Origin::Hosts(places)) => places.first().cloned(),
        _ => None,
    };
    (source, place)
}

fn listed_source(note: &ListNote) -> (Source, Option<String>) {
    let source = if note.by == By::Hosts { Source::Hosts } else { Source::List };
    (source, Some(note.text.clone()))
}

fn known_source(known: &Known) -> Source {
    match known {
        Known::Special => Source::Special,
        Known::Cache(from) => Source::Cache(*from),
        Known::Stale(from) => Source::Stale(*from),
        Known::Forwarder(from) => Source::Forwarder(*from),
        Known::Nobody => Source::Nobody,
    }
}

/// What a request asks, as it is told and as the zone reads it.
fn question(request: &[u8]) -> Option<(Asked, Question)> {
    // The decoder reserves memory for as many as are announced.
    if request.len() < HEADER_BYTES || request.get(4..6) != Some(&[0, 1]) {
        return None;
    }
    let mut decoder = BinDecoder::new(request);
    Header::read(&mut decoder).ok()?;
    let question = Question::read(&mut decoder).ok()?;
    // A request that was cut, or is broken behind its question, had no such bit that counted.
    let edns = Message::from_vec(request).ok().and_then(|message| message.edns);
    let rtype = match question.query_class() {
        DNSClass::IN => question.query_type().to_string(),
        class => format!("{class} {}", question.query_type()),
    };
    let asked = Asked {
        name: told(question.name()),
        rtype,
        dnssec_ok: edns.is_some_and(|edns| edns.flags().dnssec_ok),
        checking_disabled: request.get(3).is_some_and(|bits| bits & CHECKING_DISABLED != 0),
    };
    Some((asked, question))
}

/// A name as it is told.
pub(crate) fn told(name: &Name) -> String {
    let mut text = name.to_lowercase().to_ascii();
    if text.len() > 1 && text.ends_with('.') {
        text.pop();
    }
    text
}

/// The first records of an answer, and how many more it has; what of it was cut is more.
fn answers(reply: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut decoder = BinDecoder::new(reply);
    let counts = Header::read(&mut decoder).ok()?.counts;
    let count = usize::from(counts.answers);
    for _ in 0..counts.queries {
        Question::read(&mut decoder).ok()?;
    }
    let mut answers = Vec::with_capacity(count.min(ANSWERS_MAX));
    for _ in 0..count.min(ANSWERS_MAX) {
        let Ok(record) = Record::read(&mut decoder) else {
            break;
        };
        answers.push(shortened(&record));
    }
    let more = count - answers.len();
    Some((answers, more))
}

fn shortened(record: &Record) -> String {
    let text = format!("{} {}", record.record_type(), shown(&record.data));
    match text.char_indices().nth(ANSWER_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Records of an answer that are told.
const ANSWERS_MAX: usize = 8;
/// Of each.
const ANSWER_CHARS_MAX: usize = 100;
/// AA, in the third octet.
const AUTHORITATIVE: u8 = 0x04;
/// CD, in the fourth.
const CHECKING_DISABLED: u8 = 0x10;
