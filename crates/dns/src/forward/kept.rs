//! The short way to what is kept: from a plain question to the reply in given room, without a decoder.
//!
//! **Invariant:** what is answered here is what [`Forwarder::begin`] would have answered.

use tokio::time::Instant;

use super::Forwarder;
use super::question::Question;
use crate::short::Written;
use crate::short::question::Question as Plain;

impl Forwarder {
    /// Writes the reply to a question that others may be asked; `None` when there is more to do than that.
    ///
    /// What is answered by nobody else, as special names are, is never kept.
    pub(crate) fn kept(&self, plain: &Plain<'_>, room: &mut [u8]) -> Option<Written> {
        let question = Question::of_plain(plain);
        let (answer, age_s) = self.0.cache.calm(question.key(), Instant::now())?;
        let written = answer.write(plain, age_s, room)?;
        self.0.counts.hits.add(1);
        Some(written)
    }
}

#[cfg(test)]
mod tests;
