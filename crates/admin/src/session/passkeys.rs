//! Logging in by passkey (WebAuthn Level 3): ceremonies that began, and what comes of them.
//!
//! A page asks what its device is to sign, and comes back with what the device said.
//!
//! **Invariant:** a ceremony is finished once, in time and where it began; what a device signed is
//! judged by the host that the request names, which is one of ours.

mod site;

use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::passkey::{HANDLE_BYTES, Passkey, PasskeyId, PasskeyLabel};
use conduit_core::user::{User, UserName};
use conduit_registry::UserTable;
use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle64,
};
use webauthn_rp::request::{ExtensionInfo, PublicKeyCredentialDescriptor, TimedCeremony};
use webauthn_rp::response::register::{DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication64, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

pub(crate) use self::site::Site;
use crate::error::ApiError;
use crate::session::pending::Pending;

/// The ceremonies that began and were not finished.
#[derive(Debug, Default)]
pub(crate) struct Passkeys {
    logins: Pending<Login>,
    additions: Pending<Addition>,
}

#[derive(Debug)]
struct Login {
    host: Arc<str>,
    ceremony: DiscoverableAuthenticationServerState,
}

#[derive(Debug)]
struct Addition {
    host: Arc<str>,
    owner: UserName,
    ceremony: RegistrationServerState<HANDLE_BYTES>,
}

/// Somebody who showed that their device is theirs.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) user: Arc<User>,
    pub(crate) id: PasskeyId,
    /// What changed with its use, encoded.
    pub(crate) state: Arc<[u8]>,
}

impl Passkeys {
    /// Begins a login of whoever comes from an address; what their device is to sign.
    pub(crate) fn begin_login(&self, site: &Site, address: &str) -> Result<Value, ApiError> {
        let failed = |error| ApiError::internal("beginning a login by passkey", &error);
        let options = DiscoverableCredentialRequestOptions::passkey(&site.party);
        let (ceremony, client) = options.start_ceremony().map_err(failed)?;
        let shown = shown(&client)?;
        let challenge = ceremony.sent_challenge().0;
        let login = Login { host: Arc::clone(&site.host), ceremony };
        self.logins.put(challenge, address, login, Instant::now());
        Ok(shown)
    }

    /// Finishes a login; `None` when what the device said proves nothing.
    pub(crate) fn finish_login(
        &self,
        site: &Site,
        users: &UserTable,
        said: &[u8],
    ) -> Option<Proven> {
        let said = DiscoverableAuthentication64::from_json_relaxed(said).ok()?;
        let begun = self.logins.take(said.challenge_relaxed().ok()?.0, Instant::now())?;
        let id = id_of(&said.raw_id())?;
        let (user, passkey) = users.passkey(&id)?;
        if *begun.host != *site.host || *passkey.host != *site.host {
            return None;
        }
        let Ok(handle) = UserHandle64::decode(passkey.handle);
        let key = StaticState::decode(&passkey.key).ok()?;
        let state = DynamicState::decode(<[u8; 7]>::try_from(&*passkey.state).ok()?).ok()?;
        let mut known = AuthenticatedCredential::new(said.raw_id(), &handle, key, state).ok()?;
        let origins = [site.origin.as_str()];
        let options = AuthenticationVerificationOptions::<'_, '_, &str, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        let judged = begun.ceremony.verify(&site.party, &said, &mut known, &options);
        if let Err(error) = judged {
            tracing::info!(user = %user.name, %error, "a passkey was refused");
            return None;
        }
        let Ok(state) = known.dynamic_state().encode();
        Some(Proven { user: Arc::clone(user), id, state: Arc::new(state) })
    }

    /// Begins the addition of a passkey; what the device is to make.
    pub(crate) fn begin_addition(&self, site: &Site, user: &User) -> Result<Value, ApiError> {
        let handle = match user.passkeys.first() {
            Some(known) => {
                let Ok(handle) = UserHandle64::decode(known.handle);
                handle
            }
            None => UserHandle64::new(),
        };
        let name = user.name.as_str();
        let odd = |error| ApiError::internal("naming the owner of a passkey", &error);
        let entity = PublicKeyCredentialUserEntity {
            name: name.try_into().map_err(odd)?,
            id: &handle,
            display_name: None,
        };
        let here = user.passkeys.iter().filter(|known| *known.host == *site.host);
        let known = here.filter_map(|known| {
            let id = serde_json::from_value::<CredentialId<Vec<u8>>>(known.id.as_str().into());
            // None is any way to the device.
            let transports = AuthTransports::decode(0).ok()?;
            Some(PublicKeyCredentialDescriptor { id: id.ok()?, transports })
        });
        let mut options =
            PublicKeyCredentialCreationOptions::passkey(&site.party, entity, known.collect());
        // A wish only: the keys of phones and laptops know no such protection, and are protected.
        options.extensions.cred_protect =
            CredProtect::UserVerificationRequired(ExtensionInfo::AllowDontEnforceValue);
        let failed = |error| ApiError::internal("beginning the addition of a passkey", &error);
        let (ceremony, client) = options.start_ceremony().map_err(failed)?;
        let shown = shown(&client)?;
        let (challenge, owner) = (ceremony.sent_challenge().0, user.name.clone());
        let addition = Addition { host: Arc::clone(&site.host), owner, ceremony };
        self.additions.put(challenge, name, addition, Instant::now());
        Ok(shown)
    }

    /// Finishes the addition of a passkey.
    ///
    /// # Errors
    /// When what the device said is not what was asked of it.
    pub(crate) fn finish_addition(
        &self,
        site: &Site,
        owner: &UserName,
        label: PasskeyLabel,
        said: &[u8],
    ) -> Result<Passkey, ApiError> {
        let wrong = |why: String| {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "passkey_refused", why)
                .hint("begin again, and remove what the device made from it")
        };
        let said = Registration::from_json_relaxed(said)
            .map_err(|error| wrong(format!("this is no answer of a device: {error}")))?;
        let challenge = said.challenge_relaxed().map_err(|error| wrong(error.to_string()))?;
        let begun = self.additions.take(challenge.0, Instant::now());
        let begun = begun.filter(|begun| begun.owner == *owner && *begun.host == *site.host);
        let Some(begun) = begun else {
            return Err(wrong("nothing began that this would finish, or it is too late".into()));
        };
        let origins = [site.origin.as_str()];
        let options = RegistrationVerificationOptions::<'_, '_, &str, &str> {
            allowed_origins: &origins,
            error_on_unsolicited_extensions: false,
            ..Default::default()
        };
        let made = begun.ceremony.verify(&site.party, &said, &options);
        let made =
            made.map_err(|error| wrong(format!("the device's answer does not hold: {error}")))?;
        let (id, _, handle, key, state, _) = made.into_parts();
        let (Ok(handle), Ok(key), Ok(state)) = (handle.encode(), key.encode(), state.encode());
        let id = id_of(&id).ok_or_else(|| wrong("the device's key has an unusual id".into()))?;
        Ok(Passkey {
            id,
            label,
            host: Arc::clone(&site.host),
            handle,
            key: key.into(),
            state: Arc::new(state),
            created_at: Timestamp::now(),
            used_at: None,
        })
    }
}

fn shown(options: &impl serde::Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(options)
        .map_err(|error| ApiError::internal("writing the options of a passkey", &error))
}

fn id_of(id: &impl serde::Serialize) -> Option<PasskeyId> {
    let text = serde_json::to_value(id).ok()?;
    PasskeyId::parse(text.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_proves_nothing() {
        let (passkeys, site) =
            (Passkeys::default(), site::tests::site("conduit.internal").expect("a name"));
        let options = passkeys.begin_login(&site, "192.0.2.1").expect("options");
        assert!(options.to_string().contains("\"conduit.internal\""), "{options}");
        let users = UserTable::default();
        for said in ["", "{}", "[]", "\"x\"", "{\"id\":\"AA\",\"type\":\"public-key\"}"] {
            assert!(passkeys.finish_login(&site, &users, said.as_bytes()).is_none());
        }
    }
}
