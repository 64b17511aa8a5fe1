//! Handing the database over to another process, which may turn out not to want it.
//!
//! **Invariant:** from [`Registry::pause`] on nothing is written here. Decisions wait, and are
//! granted once the database is taken back, or refused once it is left.

use tokio::sync::oneshot;

use crate::error::RegistryError;
use crate::registry::{Decision, Registry};
use crate::store;

/// A registry whose database nobody writes to; dropping it leaves the database for good.
#[derive(Debug)]
pub struct Paused {
    registry: Registry,
    back: oneshot::Sender<Taken>,
}

/// Whoever takes the database back is told whether an older copy had to be put in its place.
pub(crate) type Taken = oneshot::Sender<Result<bool, RegistryError>>;

/// A wish that the writer stops writing.
#[derive(Debug)]
pub(crate) struct PauseWish {
    /// Whether another process may make the database newer.
    pub(crate) keep_copy: bool,
    /// Gets what takes the database back.
    pub(crate) reply: oneshot::Sender<Result<oneshot::Sender<Taken>, RegistryError>>,
}

impl Registry {
    /// Grants what was asked so far and lets go of the database; reads go on. With `keep_copy` the
    /// database is put back as it is now when it has become newer than this program knows.
    ///
    /// # Errors
    /// When a commit is in doubt, or the copy cannot be made; nothing has changed then.
    pub async fn pause(&self, keep_copy: bool) -> Result<Paused, RegistryError> {
        let (reply, answer) = oneshot::channel();
        let wish = Decision::Pause(PauseWish { keep_copy, reply });
        self.decisions.send(wish).await.map_err(|_| RegistryError::WriterGone)?;
        let back = answer.await.unwrap_or(Err(RegistryError::WriterGone))?;
        Ok(Paused { registry: self.clone(), back })
    }
}

impl Paused {
    /// Takes the database back; what waited is granted now.
    ///
    /// # Errors
    /// When it cannot be used any more; the writer has ended then.
    pub async fn take_back(self) -> Result<(), RegistryError> {
        let (reply, answer) = oneshot::channel();
        self.back.send(reply).map_err(|_| RegistryError::WriterGone)?;
        let is_restored = answer.await.unwrap_or(Err(RegistryError::WriterGone))?;
        if is_restored {
            tracing::warn!("the database was made newer; it is as it was before");
            let reader = &self.registry.reader;
            reader.replace(store::open_for_reading(&reader.path())?).await;
        }
        Ok(())
    }

    /// Leaves the database to the other process: the writer ends without a word, and what waits is
    /// refused.
    pub fn leave(self) {
        drop(self.back);
    }
}
