//! The people who may log in.
//!
//! **Invariant:** no two have one name.

use std::collections::BTreeMap;
use std::sync::Arc;

use conduit_core::passkey::{Passkey, PasskeyId};
use conduit_core::user::{User, UserName};

use crate::rules::UserStep;

/// The users that were not removed, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserTable {
    users: BTreeMap<UserName, Arc<User>>,
}

impl UserTable {
    /// Takes users; of two with one name the last stays.
    pub fn new(users: impl IntoIterator<Item = User>) -> Self {
        let pairs = users.into_iter().map(|user| (user.name.clone(), Arc::new(user)));
        Self { users: pairs.collect() }
    }

    /// A user by name.
    pub fn get(&self, name: &UserName) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// Every user, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// The owner of a passkey, with it.
    pub fn passkey(&self, id: &PasskeyId) -> Option<(&Arc<User>, &Passkey)> {
        let of = |user: &&Arc<User>| user.passkeys.iter().any(|passkey| passkey.id == *id);
        let user = self.users.values().find(of)?;
        user.passkeys.iter().find(|passkey| passkey.id == *id).map(|passkey| (user, passkey))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The table after a step.
    pub(crate) fn with(&self, step: &UserStep) -> Self {
        let mut next = self.clone();
        let user = step.user();
        match step {
            UserStep::Remove(_) => next.users.remove(&user.name),
            UserStep::Add(_)
            | UserStep::SetPassword(_)
            | UserStep::SetRole { .. }
            | UserStep::Passkey(..) => next.users.insert(user.name.clone(), Arc::clone(user)),
        };
        next
    }
}
