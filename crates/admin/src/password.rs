//! Passwords of users: which ones are taken, and how they are hashed and checked.
//!
//! **Invariant:** at most [`HASHING_MAX`] are hashed at a time, each on a blocking thread; somebody
//! who is not there costs what somebody who is costs.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use conduit_core::user::{PasswordHash, UserName};
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// Whether somebody may have a password.
///
/// # Errors
/// When it is too short or too long, holds the name, or is one that everybody tries first.
pub(crate) fn check(password: &str, name: &UserName) -> Result<(), ApiError> {
    let length = password.len();
    if !(BYTES_MIN..=BYTES_MAX).contains(&length) {
        let message = format!("a password has {BYTES_MIN} to {BYTES_MAX} bytes, not {length}");
        return Err(weak(message));
    }
    let folded = password.to_lowercase();
    if name.as_str().len() >= NAME_CHARS_MIN && folded.contains(name.as_str()) {
        return Err(weak("the password holds the user's name".to_owned()));
    }
    let mut different: Vec<char> = folded.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT_MIN || COMMON.contains(&folded.as_str()) {
        return Err(weak("this password is one of those that are tried first".to_owned()));
    }
    Ok(())
}

/// Hashes a password that was checked.
///
/// # Errors
/// When too many wait for that, or the system has no randomness.
pub(crate) async fn hash(password: String) -> Result<PasswordHash, ApiError> {
    let hashed = slowly(move || {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|e| ApiError::internal("making a salt", &e))?;
        let failed = |error| ApiError::internal("hashing a password", &error);
        let hasher = hasher().map_err(|e| ApiError::internal("hashing a password", &e))?;
        hasher.hash_password_with_salt(password.as_bytes(), &salt).map_err(failed)
    });
    let text = hashed.await??.to_string();
    PasswordHash::parse(&text).map_err(|e| ApiError::internal("hashing a password", &e))
}

/// Whether a password fits a hash; without a hash none does, and that takes as long.
///
/// # Errors
/// When too many wait to be checked.
pub(crate) async fn verify(hash: Option<PasswordHash>, password: String) -> Result<bool, ApiError> {
    if password.len() > BYTES_MAX {
        return Ok(false);
    }
    slowly(move || {
        let text = hash.as_ref().map_or(NOBODY, PasswordHash::as_str);
        let fits = phc::PasswordHash::new(text).is_ok_and(|parsed| {
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        });
        fits && hash.is_some()
    })
    .await
}

fn hasher() -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Works on a blocking thread, a few at a time.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let busy = || {
        let message = "too many passwords are being checked";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "auth_busy", message).retry_after(1)
    };
    let _waiting = WAITING.try_acquire().map_err(|_| busy())?;
    let permit = HASHING.acquire().await.map_err(|_| busy())?;
    let working = tokio::task::spawn_blocking(move || {
        // The permit goes with the work, also when nobody waits for it any more.
        let _permit = permit;
        work()
    });
    working.await.map_err(|error| ApiError::internal("hashing a password", &error))
}

fn weak(message: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", message)
        .hint("take four or five words that do not belong together")
}

/// The shortest password, in bytes.
pub(crate) const BYTES_MIN: usize = 12;
/// The longest password, in bytes.
pub(crate) const BYTES_MAX: usize = 256;
/// Names shorter than this may be in a password: everything holds them.
const NAME_CHARS_MIN: usize = 3;
/// Different characters in a password, at least.
const DIFFERENT_MIN: usize = 5;
/// Of each hash, in KiB: OWASP's Password Storage Cheat Sheet, like the next two.
const MEMORY_KIB: u32 = 19 * 1024;
/// Of each hash.
const PASSES: u32 = 2;
/// Of each hash.
const LANES: u32 = 1;
/// Of each hash.
const SALT_BYTES: usize = 16;
/// Passwords hashed at a time.
const HASHING_MAX: usize = 2;
static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);
/// Passwords that are hashed or wait for it; one more gets 503.
const WAITING_MAX: usize = 32;
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);
/// What is checked for somebody who is not there, or has no password: it costs the same.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// What is tried first, of those that are long enough.
const COMMON: &[&str] = &[
    "1234567890ab",
    "123456789012",
    "1q2w3e4r5t6y",
    "abcdefghijkl",
    "abcdefghijklm",
    "adminadmin123",
    "adminadminadmin",
    "administrator",
    "administrator1",
    "changeme1234",
    "changemechangeme",
    "conduit12345",
    "conduitconduit",
    "iloveyou1234",
    "letmein12345",
    "letmeinletmein",
    "p@ssw0rd1234",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopas",
    "trustno1trustno1",
    "welcome12345",
    "welcomewelcome",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        let ada = UserName::parse("ada").expect("valid");
        for (password, good) in [
            ("correct horse battery", true),
            ("twelve bytes", true),
            ("eleven byte", false),
            (&"ab cd ef ".repeat(28)[..], true),
            (&"ab cd ef ".repeat(29), false),
            ("this is Ada's door", false),
            ("Password1234", false),
            ("PASSWORDpassword", false),
            ("aaaaaaaaaaaa", false),
            ("abababababababab", false),
            ("zwölf Bytes ä", true),
        ] {
            assert_eq!(check(password, &ada).is_ok(), good, "{password}");
        }
        let short = UserName::parse("a").expect("valid");
        assert!(check("correct horse battery", &short).is_ok());
        assert!(
            COMMON
                .iter()
                .all(|common| common.len() >= BYTES_MIN && *common == common.to_lowercase())
        );
    }

    #[tokio::test]
    async fn only_the_right_password_fits_its_hash() {
        let one = hash("correct horse battery".into()).await.expect("a hash");
        let other = hash("correct horse battery".into()).await.expect("a hash");
        assert_ne!(one.as_str(), other.as_str(), "salted");
        assert!(one.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.as_str());
        assert_eq!(verify(Some(one.clone()), "correct horse battery".into()).await, Ok(true));
        for wrong in ["", "correct horse batterY", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(verify(Some(one.clone()), wrong.into()).await, Ok(false), "{wrong}");
        }
        assert_eq!(verify(None, "correct horse battery".into()).await, Ok(false));
    }

    #[test]
    fn nobody_costs_what_somebody_costs() {
        let (nobody, _) = NOBODY.split_at("$argon2id$v=19$m=19456,t=2,p=1$".len());
        assert_eq!(nobody, format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"));
        assert!(phc::PasswordHash::new(NOBODY).is_ok(), "it is really computed");
    }
}
