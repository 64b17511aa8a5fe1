//! The requests about who gets in.

use http::Method;

use super::target::segment;
use super::{Client, Reply};
use crate::error::ClientError;
use crate::v1::ROOT;
use crate::v1::sessions::LoginCode;
use crate::v1::users::{AddUser, RemovedUser, SetPassword, SetRole, User, UserList};

impl Client {
    /// `POST /api/v1/login-codes`: over the Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn login_code(&self) -> Result<Reply<LoginCode>, ClientError> {
        let path = format!("{ROOT}/login-codes");
        self.change_bare(Method::POST, &path, "run `conduit login` again".into()).await
    }

    /// `GET /api/v1/users`; `all` asks for removed ones too.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn users(&self, all: bool) -> Result<Reply<UserList>, ClientError> {
        let query = if all { "?all=true" } else { "" };
        self.get(&format!("{ROOT}/users{query}")).await
    }

    /// `POST /api/v1/users`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_user(&self, user: &AddUser) -> Result<Reply<User>, ClientError> {
        self.change(Method::POST, &format!("{ROOT}/users"), user, LOOK.into()).await
    }

    /// `DELETE /api/v1/users/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_user(&self, name: &str) -> Result<Reply<RemovedUser>, ClientError> {
        let path = format!("{ROOT}/users/{}", segment(name));
        self.change_bare(Method::DELETE, &path, LOOK.into()).await
    }

    /// `POST /api/v1/users/{name}/password`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_user_password(
        &self,
        name: &str,
        wish: &SetPassword,
    ) -> Result<Reply<User>, ClientError> {
        let path = format!("{ROOT}/users/{}/password", segment(name));
        self.change(Method::POST, &path, wish, LOOK.into()).await
    }

    /// `POST /api/v1/users/{name}/role`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_user_role(
        &self,
        name: &str,
        wish: &SetRole,
    ) -> Result<Reply<User>, ClientError> {
        let path = format!("{ROOT}/users/{}/role", segment(name));
        self.change(Method::POST, &path, wish, LOOK.into()).await
    }
}

/// What to do when an answer was lost.
const LOOK: &str = "run `conduit user list`";
