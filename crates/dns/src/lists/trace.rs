//! What lists say about a name, for people who look.
//!
//! **Invariant:** what is told is what a query is judged by; looking counts nothing.

use hickory_proto::rr::{Name, RecordType};

use super::said::{What, in_hosts};
use super::settings::Kind;
use super::table::{Hit, Judged, Table};
use crate::key::AskedKey;
use crate::presentation::shown;

/// The entry that has the say about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The list; a hosts file by its path.
    pub(crate) list: String,
    pub(crate) kind: Kind,
    pub(crate) line: u32,
    /// The name of the entry.
    pub(crate) entry: String,
    pub(crate) said: Said,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// That the name is answered as if there were no lists.
    Pass,
    /// That it does not exist.
    NxDomain,
    /// That it has nothing of the type.
    NoData,
    /// That it has these.
    Records(Vec<String>),
    /// That it is an alias of this.
    Alias(Name),
    /// That there is no reply.
    Silence,
    /// That the client comes back over TCP.
    Truncated,
}

/// The entry that an answer comes from, for a line of the query log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListNote {
    pub(crate) by: By,
    /// The list, the line and the entry: `ads, line 12: ads.example`.
    pub(crate) text: String,
}

/// What its list had to do with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A hosts file has the name.
    Hosts,
    /// A list answered or refused.
    List,
    /// A list leads to the name that somebody else answered.
    Alias,
}

impl Hit<'_> {
    /// The entry as the query log tells it.
    pub(crate) fn noted(&self, by: By) -> ListNote {
        ListNote { by, text: self.note() }
    }
}

impl Table {
    /// What lists say about a question; a quiet table counts nothing.
    pub(crate) fn trace(&self, name: &Name, rtype: RecordType) -> Option<Trace> {
        match self.judge(AskedKey::of(name).as_slice()) {
            Judged::Nothing => None,
            Judged::Pass(hit) => Some(Trace::of(&hit, Said::Pass)),
            Judged::Hosts(all) => {
                let data: Vec<String> =
                    in_hosts(&all, rtype).iter().map(|(data, _)| shown(data)).collect();
                let said = if data.is_empty() { Said::NoData } else { Said::Records(data) };
                all.first().map(|hit| Trace::of(hit, said))
            }
            Judged::Hit(hit) => {
                let said = said(self.what(&hit, rtype, false));
                Some(Trace::of(&hit, said))
            }
        }
    }
}

impl Trace {
    fn of(hit: &Hit<'_>, said: Said) -> Self {
        Self {
            list: hit.source().name.clone(),
            kind: hit.source().kind,
            line: hit.line,
            entry: hit.stem(),
            said,
        }
    }

    /// The entry as the query log tells it.
    pub(crate) fn note(&self) -> ListNote {
        let by = if self.kind == Kind::Hosts { By::Hosts } else { By::List };
        ListNote { by, text: format!("{}, line {}: {}", self.list, self.line, self.entry) }
    }
}

fn said(what: What) -> Said {
    match what {
        What::Nothing(crate::reply::Outcome::NxDomain) => Said::NxDomain,
        What::Nothing(_) => Said::NoData,
        What::Alias(target, _) => Said::Alias(target),
        What::Records(data, _) => Said::Records(data.iter().map(shown).collect()),
        What::Drop => Said::Silence,
        What::Truncated => Said::Truncated,
        What::Pass => Said::Pass,
    }
}
