//! People who may log in: added, changed, removed.

use std::sync::Arc;

use conduit_core::actor::Role;
use conduit_core::clock::Timestamp;
use conduit_core::user::{PasswordHash, User, UserName};

use super::{Plan, UserStep};
use crate::rejection::Rejection;
use crate::settings::Settings;
use crate::users::UserTable;

pub(super) fn add(
    users: &UserTable,
    name: &UserName,
    role: Role,
    password: Option<&PasswordHash>,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    if users.get(name).is_some() {
        let message = format!("a user is called {name} already");
        return Err(Rejection::new("user_name_taken", message).hint(format!(
            "choose another name, or change that one with `conduit user role {name} ROLE`"
        )));
    }
    let users_max = settings.limits.users_max;
    if users.len() >= users_max {
        let message = format!("there can be at most {users_max} users");
        return Err(Rejection::new("limit", message).hint("remove who is not there any more"));
    }
    let user = User {
        name: name.clone(),
        role,
        password: password.cloned(),
        password_set_at: password.map(|_| now),
        passkeys: Arc::default(),
        created_at: now,
        removed_at: None,
    };
    Ok(Plan::of_user(UserStep::Add(Arc::new(user))))
}

pub(super) fn remove(
    users: &UserTable,
    name: &UserName,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let user = User { removed_at: Some(now), passkeys: Arc::default(), ..present(users, name)? };
    Ok(Plan::of_user(UserStep::Remove(Arc::new(user))))
}

pub(super) fn set_password(
    users: &UserTable,
    name: &UserName,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let user = User {
        password: Some(password.clone()),
        password_set_at: Some(now),
        ..present(users, name)?
    };
    Ok(Plan::of_user(UserStep::SetPassword(Arc::new(user))))
}

/// A role that somebody has already changes nothing.
pub(super) fn set_role(users: &UserTable, name: &UserName, role: Role) -> Result<Plan, Rejection> {
    let user = present(users, name)?;
    let previous = user.role;
    if previous == role {
        return Ok(Plan::default());
    }
    Ok(Plan::of_user(UserStep::SetRole { user: Arc::new(User { role, ..user }), previous }))
}

pub(super) fn present(users: &UserTable, name: &UserName) -> Result<User, Rejection> {
    users.get(name).map(|user| User::clone(user)).ok_or_else(|| {
        Rejection::new("not_found", format!("there is no user {name}"))
            .hint("`conduit user list` shows the users")
    })
}
