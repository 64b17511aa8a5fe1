//! Aliases of ours that lead to names of others.
//!
//! The forwarder is asked about the name at their end, as if the client had; what it finds comes behind our
//! aliases.
//!
//! **Invariant:** the reply is to what the client asked, and its code tells of the last name (RFC 6604 §3).

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::Record;

use crate::answer::{Alias, Chain};
use crate::reply::{Encoded, Outcome, Pending};

/// Aliases, and what is asked of others because of them.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    /// In order; at least one.
    pub(crate) aliases: Vec<Alias>,
    /// The question about the name at their end.
    pub(crate) asked: Query,
}

impl Pending {
    /// The question as others are asked it.
    pub(crate) fn asked(&self) -> &Query {
        self.tail.as_ref().map_or(&self.question, |tail| &tail.asked)
    }

    /// The same question about where these aliases lead.
    pub(crate) fn led_by(self, chain: Chain<'_>) -> Self {
        let mut asked = self.question.clone();
        if let Some(last) = chain.aliases.last() {
            asked.set_name(last.target.clone());
        }
        Self { tail: Some(Box::new(Tail { aliases: chain.aliases, asked })), ..self }
    }

    /// Whether others may be asked for this client, and it wants that.
    pub(crate) fn may_forward(&self) -> bool {
        self.metadata.recursion_available && self.metadata.recursion_desired
    }

    /// As if the client had asked about the name at the end, and could take a reply of any length.
    pub(crate) fn without_aliases(&self) -> Self {
        Self {
            question: self.asked().clone(),
            tail: None,
            edns: None,
            limit: usize::from(u16::MAX),
            ..self.clone()
        }
    }

    /// These records of the name at the end, behind the aliases that led there.
    pub(crate) fn ending_in(self, records: Vec<Record>) -> Encoded {
        let outcome = if records.is_empty() { Outcome::NoData } else { Outcome::Records };
        let mut message = self.message(outcome);
        message.add_answers(records);
        self.encode(&mut message, outcome)
    }

    /// What was said about the name at the end, behind the aliases that led there.
    pub(crate) fn behind_aliases(self, said: &Encoded) -> Encoded {
        let Ok(said) = Message::from_vec(&said.bytes).map(|message| (message, said.outcome)) else {
            return self.plain(Outcome::Failed);
        };
        let (said, outcome) = said;
        let mut message = self.message(outcome);
        message.add_answers(said.answers);
        message.add_authorities(said.authorities);
        self.encode(&mut message, outcome)
    }
}
