//! Reads beside the writer, on a connection that cannot write.
//!
//! **Invariant:** a read never waits for the writer, nor the writer for a read: each sees the last
//! commit before it began.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::RegistryError;

/// The second connection; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// None once it is closed.
    connection: Arc<Mutex<Option<Connection>>>,
    path: Arc<PathBuf>,
}

impl Reader {
    pub(crate) fn new(connection: Connection, path: PathBuf) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), path: Arc::new(path) }
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> Arc<PathBuf> {
        Arc::clone(&self.path)
    }

    /// Runs a read on a thread where it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let connection = Arc::clone(&self.connection);
        blocking(move || {
            // A read that panicked changed nothing, so the connection is as good as before.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            read(connection.as_ref().ok_or(RegistryError::WriterGone)?)
        })
        .await
    }

    /// Reads through another connection from now on, once the read that is under way is done.
    pub(crate) async fn replace(&self, next: Connection) {
        let connection = Arc::clone(&self.connection);
        let replacing = blocking(move || {
            *connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
            Ok(())
        });
        // The runtime is shutting down otherwise, and nobody reads any more.
        replacing.await.ok();
    }

    /// Closes the connection once the read that is under way is done. Whoever closes a database
    /// last removes its write-ahead log, and only one that may write can.
    pub(crate) async fn close(&self) {
        let connection = Arc::clone(&self.connection);
        let closing = blocking(move || {
            drop(connection.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        });
        // The runtime is shutting down otherwise, and the log is there for the next start.
        closing.await.ok();
    }
}

/// Runs something on a thread where it may block; a panic there panics here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and the caller with it.
            Err(_) => Err(RegistryError::WriterGone),
        },
    }
}
