//! Logging in by passkey (WebAuthn Level 3): ceremonies that began, and what comes of them.
//!
//! A page asks what its device is to sign, and comes back with what the device said.
//!
//! **Invariant:** a ceremony is finished once, in time and where it began; what a device signed is
//! judged by the host that the request names, which is one of ours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use conduit_core::clock::Timestamp;
use conduit_core::passkey::{HANDLE_BYTES, Passkey, PasskeyId, PasskeyLabel};
use conduit_core::user::{User, UserName};
use conduit_registry::UserTable;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;
use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, PublicKeyCredentialUserEntity, RegistrationVerificationOptions, UserHandle64,
};
use webauthn_rp::request::{
    AsciiDomain, ExtensionInfo, PublicKeyCredentialDescriptor, RpId, TimedCeremony,
};
use webauthn_rp::response::register::{DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication64, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

use crate::error::ApiError;
use crate::limits::{
    PASSKEY_CEREMONIES_EACH_MAX, PASSKEY_CEREMONIES_MAX, PASSKEY_CEREMONY_LIFETIME,
};

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

/// The page that a request comes from: what a device binds its keys to.
#[derive(Debug)]
pub(crate) struct Site {
    party: RpId,
    host: Arc<str>,
    origin: String,
}

impl Site {
    /// By the request's host, which was judged to be ours.
    ///
    /// # Errors
    /// When it is an address: devices make keys for names only.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let nameless = || {
            let message = "passkeys are for a name, and this page has only an address";
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "no_passkeys_here", message)
                .hint("open the dashboard as https://conduit.<domain>")
        };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority: Authority = host.and_then(|host| host.parse().ok()).ok_or_else(nameless)?;
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        let party = AsciiDomain::try_from(name.clone()).ok().filter(|_| !is_address);
        let party = RpId::Domain(party.ok_or_else(nameless)?);
        // Browsers take the machine itself for safe without TLS, and nothing else.
        let scheme = if name == "localhost" { "http" } else { "https" };
        let port = authority.port_u16().filter(|port| scheme == "http" || *port != 443);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let origin = format!("{scheme}://{name}{port}");
        Ok(Self { party, host: name.into(), origin })
    }
}

/// Ceremonies by their challenge.
#[derive(Debug)]
struct Pending<T>(Mutex<HashMap<u128, Begun<T>>>);

#[derive(Debug)]
struct Begun<T> {
    at: Instant,
    /// Who began it: an address or a name.
    by: String,
    ceremony: T,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pending<T> {
    /// Of too many, the one that began first gives way; somebody who begins many loses their own.
    fn put(&self, challenge: u128, by: &str, ceremony: T, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |begun: &&Begun<T>| begun.by == by;
        let has_many = all.values().filter(is_own).count() >= PASSKEY_CEREMONIES_EACH_MAX;
        if has_many || all.len() >= PASSKEY_CEREMONIES_MAX {
            let gives_way = |(_, begun): &(&u128, &Begun<T>)| !has_many || begun.by == by;
            let first = all.iter().filter(gives_way).min_by_key(|(_, begun)| begun.at);
            let first = first.map(|(challenge, _)| *challenge);
            first.and_then(|first| all.remove(&first));
        }
        all.insert(challenge, Begun { at: now, by: by.to_owned(), ceremony });
    }

    fn take(&self, challenge: u128, now: Instant) -> Option<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = all.remove(&challenge)?;
        (now < begun.at + PASSKEY_CEREMONY_LIFETIME).then_some(begun.ceremony)
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
    use http::HeaderValue;

    use super::*;

    fn site(host: &'static str) -> Result<Site, ApiError> {
        Site::of(&HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]))
    }

    #[test]
    fn a_site_is_a_name_with_its_port() {
        for (host, origin) in [
            ("conduit.internal", "https://conduit.internal"),
            ("Conduit.Internal.:8443", "https://conduit.internal:8443"),
            ("conduit.internal:443", "https://conduit.internal"),
            ("localhost:9999", "http://localhost:9999"),
        ] {
            assert_eq!(site(host).expect(host).origin, origin);
        }
        for host in ["127.0.0.1:9999", "[::1]:9999", ""] {
            assert!(site(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_ceremony_is_taken_once_and_in_time_and_there_are_not_too_many() {
        let (pending, now) = (Pending::<u32>::default(), Instant::now());
        let later = |seconds| now + std::time::Duration::from_secs(seconds);
        pending.put(1, "a", 10, now);
        assert_eq!((pending.take(1, later(299)), pending.take(1, now)), (Some(10), None));
        pending.put(2, "a", 20, now);
        assert_eq!(pending.take(2, later(300)), None, "too late");
        pending.put(3, "patient", 30, now);
        for number in 0..PASSKEY_CEREMONIES_MAX as u64 * 2 {
            pending.put(u128::from(number + 10), "busy", 0, later(1));
        }
        assert_eq!(pending.take(3, now), Some(30), "others keep theirs");
        for number in 0..PASSKEY_CEREMONIES_MAX as u64 + 5 {
            pending.put(u128::from(number), &format!("{number}"), 0, later(2 + number));
        }
        let last = later(PASSKEY_CEREMONIES_MAX as u64);
        assert_eq!((pending.take(4, now), pending.take(1_000, last)), (None, Some(0)));
        assert_eq!(pending.0.lock().expect("sound").len(), PASSKEY_CEREMONIES_MAX - 1);
    }

    #[test]
    fn what_is_no_answer_proves_nothing() {
        let (passkeys, site) = (Passkeys::default(), site("conduit.internal").expect("a name"));
        let options = passkeys.begin_login(&site, "192.0.2.1").expect("options");
        assert!(options.to_string().contains("\"conduit.internal\""), "{options}");
        let users = UserTable::default();
        for said in ["", "{}", "[]", "\"x\"", "{\"id\":\"AA\",\"type\":\"public-key\"}"] {
            assert!(passkeys.finish_login(&site, &users, said.as_bytes()).is_none());
        }
    }
}
