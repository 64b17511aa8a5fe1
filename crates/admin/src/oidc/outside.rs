//! What a login through a provider needs of the world outside this room.

use crate::control::BoxFuture;

/// How the provider is reached, and what this gateway shows it.
pub trait Outside: Send + Sync + 'static {
    /// Sends one request and reads the whole answer. Redirects are not followed; time and size are
    /// bounded.
    ///
    /// # Errors
    /// When there is no answer.
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'static, Result<http::Response<Vec<u8>>, OutsideError>>;

    /// The client's secret, as it is now; `None` when the provider takes this gateway for a public
    /// client.
    ///
    /// # Errors
    /// When there should be one and it cannot be read.
    fn secret(&self) -> BoxFuture<'_, Result<Option<String>, OutsideError>>;
}

/// Why something outside could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutsideError(pub String);
