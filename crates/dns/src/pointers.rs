//! Whose name is at an address, for the way back from addresses to names.
//!
//! **Invariant:** services come before records, and the first is the name of the address.

use std::sync::Arc;

use conduit_core::name::ServiceName;
use conduit_core::record::name::RecordName;

/// Who has an address; there is nearly always one.
#[derive(Debug, Clone)]
pub(crate) enum Pointers {
    One(Source),
    Many(Arc<[Source]>),
}

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A service that is answered directly; its first host.
    Service(ServiceName),
    /// An address record; its name.
    Record(RecordName),
}

impl Pointers {
    /// The first of them.
    pub(crate) fn first(&self) -> Option<&Source> {
        self.as_slice().first()
    }

    /// With another one.
    pub(crate) fn with(before: Option<&Self>, source: Source) -> Self {
        let Some(before) = before else {
            return Self::One(source);
        };
        let mut all = before.as_slice().to_vec();
        all.insert(all.partition_point(|other| *other < source), source);
        Self::Many(all.into())
    }

    /// Without this one, if any is left.
    pub(crate) fn without(&self, source: &Source) -> Option<Self> {
        let rest = self.as_slice().iter().filter(|other| *other != source);
        let mut rest: Vec<Source> = rest.cloned().collect();
        match rest.len() {
            0 => None,
            1 => rest.pop().map(Self::One),
            _ => Some(Self::Many(rest.into())),
        }
    }

    fn as_slice(&self) -> &[Source] {
        match self {
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(all) => all,
        }
    }
}
