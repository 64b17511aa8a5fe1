//! The requests about who gets in.

use http::Method;

use super::{Client, Reply};
use crate::error::ClientError;
use crate::v1::ROOT;
use crate::v1::sessions::LoginCode;

impl Client {
    /// `POST /api/v1/login-codes`: over the Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn login_code(&self) -> Result<Reply<LoginCode>, ClientError> {
        let path = format!("{ROOT}/login-codes");
        self.change_bare(Method::POST, &path, "run `conduit login` again".into()).await
    }
}
