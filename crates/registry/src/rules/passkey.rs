//! Passkeys of people: added, used, removed.

use std::sync::Arc;

use conduit_audit::entry::Draft;
use conduit_core::clock::Timestamp;
use conduit_core::passkey::{PASSKEYS_MAX, Passkey, PasskeyId};
use conduit_core::user::{User, UserName};

use super::user::present;
use super::{PasskeyStep, Plan, UserStep};
use crate::rejection::Rejection;
use crate::users::UserTable;

/// When it was added is written here.
pub(super) fn add(
    users: &UserTable,
    name: &UserName,
    passkey: &Passkey,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let user = present(users, name)?;
    if users.iter().any(|user| user.passkeys.iter().any(|known| known.id == passkey.id)) {
        let message = "this passkey is there already";
        return Err(Rejection::new("passkey_taken", message).hint("remove it first"));
    }
    if user.passkeys.len() >= PASSKEYS_MAX {
        let message = format!("{name} has {PASSKEYS_MAX} passkeys, and there can be no more");
        return Err(Rejection::new("limit", message).hint("remove one that is not used any more"));
    }
    let passkey = Passkey { created_at: now, used_at: None, ..passkey.clone() };
    let passkeys = user.passkeys.iter().cloned().chain([passkey.clone()]).collect();
    Ok(plan(user, passkeys, PasskeyStep::Add(passkey)))
}

pub(super) fn remove(
    users: &UserTable,
    name: &UserName,
    id: &PasskeyId,
) -> Result<Plan, Rejection> {
    let user = present(users, name)?;
    let (gone, passkeys) = user.passkeys.iter().cloned().partition(|known| known.id == *id);
    let gone: Vec<Passkey> = gone;
    let Some(passkey) = gone.into_iter().next() else {
        return Err(Rejection::new("not_found", format!("{name} has no such passkey")));
    };
    Ok(plan(user, passkeys, PasskeyStep::Remove(passkey)))
}

/// What changed with its use, together with the record of the login.
pub(super) fn note_use(
    users: &UserTable,
    name: &UserName,
    (id, state): (&PasskeyId, &Arc<[u8]>),
    record: &Draft,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    let user = present(users, name)?;
    let mut passkeys = user.passkeys.to_vec();
    let Some(passkey) = passkeys.iter_mut().find(|known| known.id == *id) else {
        return Err(Rejection::new("not_found", format!("{name} has no such passkey")));
    };
    (passkey.state, passkey.used_at) = (Arc::clone(state), Some(now));
    let step = PasskeyStep::Use(passkey.clone());
    Ok(Plan { record: Some(Box::new(record.clone())), ..plan(user, passkeys, step) })
}

fn plan(user: User, passkeys: Vec<Passkey>, step: PasskeyStep) -> Plan {
    let user = Arc::new(User { passkeys: passkeys.into(), ..user });
    Plan::of_user(UserStep::Passkey(user, Box::new(step)))
}
