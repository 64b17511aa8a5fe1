//! API tokens: how they are made, kept and recognised.
//!
//! **Invariant:** a secret is seen once, by whoever made it; only its SHA3-256 is kept. The secret
//! has 256 bits of chance, so a plain hash is enough and guessing is not.
//! **Invariant:** comparing takes the same time whichever token it is, and whether it is one.

use conduit_core::actor::{Actor, Role};
use conduit_core::clock::Timestamp;
use conduit_core::scope::Scopes;
use sha3::{Digest, Sha3_256};
use subtle::{Choice, ConstantTimeEq};

use crate::error::RegistryError;
use crate::mutation::NewToken;
use crate::rejection::Rejection;

/// The tokens that were not revoked, as the door sees them.
#[derive(Debug, Clone, Default)]
pub struct TokenTable {
    tokens: Vec<Token>,
}

impl TokenTable {
    /// Takes the tokens that were not revoked.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// How many there are, expired ones included.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Recognises the holder of a secret.
    pub fn authenticate(&self, secret: &str, now: Timestamp) -> Option<TokenHolder> {
        if secret.len() != SECRET_CHARS || !secret.starts_with(SECRET_PREFIX) {
            return None;
        }
        let hash = hash(secret);
        let mut found: Option<&Token> = None;
        for token in &self.tokens {
            let same: Choice = token.hash.ct_eq(&hash);
            if bool::from(same) {
                found = Some(token);
            }
        }
        let token = found.filter(|token| !token.is_expired(now))?;
        let actor = Actor::Token { id: token.id.clone(), name: token.name.clone() };
        Some(TokenHolder { actor, role: token.role, scopes: token.scopes.clone() })
    }

    /// What the holder of a token may do, by the token's id; `None` once it is revoked or expired.
    pub fn grant(&self, id: &str, now: Timestamp) -> Option<Grant> {
        let token = self.tokens.iter().find(|token| token.id == id)?;
        (!token.is_expired(now)).then_some(Grant { role: token.role, ends: token.expires_at })
    }

    pub(crate) fn may_create(
        &self,
        name: &str,
        expires_at: Option<Timestamp>,
        tokens_max: usize,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ' ');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(legal) {
            let message = "a token's name has 1 to 64 letters, digits, blanks or one of - _ . @";
            return Err(Rejection::new("invalid_token_name", message));
        }
        if expires_at.is_some_and(|at| at <= now) {
            let message = "the token would be expired from the start";
            return Err(Rejection::new("invalid_expiry", message).hint("give a time to come"));
        }
        let mut valid = self.tokens.iter().filter(|token| !token.is_expired(now));
        if valid.clone().any(|token| token.name == name) {
            let message = format!("a token is called {name:?} already");
            return Err(Rejection::new("token_name_taken", message)
                .hint("choose another name, or revoke that token first"));
        }
        if valid.nth(tokens_max.saturating_sub(1)).is_some() {
            let message = format!("there can be at most {tokens_max} tokens");
            return Err(Rejection::new("limit", message).hint("revoke what is not needed"));
        }
        Ok(())
    }

    pub(crate) fn may_revoke(&self, id: &str) -> Result<String, Rejection> {
        let token = self.tokens.iter().find(|token| token.id == id);
        token.map(|token| token.name.clone()).ok_or_else(|| {
            let shown: String = id.chars().take(ID_ECHO_CHARS).collect();
            Rejection::new("not_found", format!("no valid token has the id {shown:?}"))
                .hint("`conduit token list` shows the ids")
        })
    }

    pub(crate) fn with(&self, token: Token) -> Self {
        let mut next = self.clone();
        next.tokens.push(token);
        next
    }

    pub(crate) fn without(&self, id: &str) -> Self {
        let kept = self.tokens.iter().filter(|token| token.id != id);
        Self { tokens: kept.cloned().collect() }
    }
}

/// Who holds a token, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// Who, for the record.
    pub actor: Actor,
    /// What they may do.
    pub role: Role,
    /// Of which parts.
    pub scopes: Scopes,
}

/// What somebody may do, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What they may do.
    pub role: Role,
    /// When it ends, if ever.
    pub ends: Option<Timestamp>,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// How to name it.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Of which parts.
    pub scopes: Scopes,
    /// SHA3-256 of the secret.
    pub hash: [u8; 32],
    /// From when on it is worthless, if ever.
    pub expires_at: Option<Timestamp>,
}

impl Token {
    fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Makes a token with the system's randomness.
pub(crate) fn mint(
    name: &str,
    (role, scopes): (Role, &Scopes),
    expires_at: Option<Timestamp>,
) -> Result<(Token, NewToken), RegistryError> {
    let mut chance = [0_u8; ID_BYTES + SECRET_BYTES];
    getrandom::fill(&mut chance).map_err(RegistryError::Random)?;
    let (id, secret) = chance.split_at(ID_BYTES);
    let id = format!("{ID_PREFIX}{}", hex::encode(id));
    let secret = format!("{SECRET_PREFIX}{}", hex::encode(secret));
    let (name, scopes, hash) = (name.to_owned(), scopes.clone(), hash(&secret));
    let token = Token { id: id.clone(), name, role, scopes, hash, expires_at };
    Ok((token, NewToken { id, secret }))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha3_256::digest(secret.as_bytes()).into()
}

/// What a secret starts with, so that scanners of leaked secrets find it.
const SECRET_PREFIX: &str = "cdt_";
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = SECRET_PREFIX.len() + 2 * SECRET_BYTES;
const ID_PREFIX: &str = "tok_";
const ID_BYTES: usize = 8;
const ID_ECHO_CHARS: usize = 40;
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn only_the_secret_of_a_valid_token_is_recognised() {
        let (first, first_new) =
            mint("ci", (Role::Operator, &Scopes::default()), None).expect("random");
        let (second, second_new) =
            mint("guest", (Role::Viewer, &Scopes::default()), Some(at(100))).expect("random");
        let table = TokenTable::default().with(first.clone()).with(second);
        let holder = table.authenticate(&first_new.secret, at(0)).expect("recognised");
        assert_eq!((holder.actor.to_string().as_str(), holder.role), ("token:ci", Role::Operator));
        assert!(table.authenticate(&second_new.secret, at(99)).is_some());
        assert!(table.authenticate(&second_new.secret, at(100)).is_none());
        let grant = Grant { role: Role::Operator, ends: None };
        assert_eq!(table.grant(&first.id, at(0)), Some(grant));
        let second_id = &second_new.id;
        assert!(table.grant(second_id, at(99)).is_some());
        assert!(table.grant(second_id, at(100)).is_none());
        let without = table.without(&first.id);
        assert!(without.grant(&first.id, at(0)).is_none());
        assert!(without.authenticate(&first_new.secret, at(0)).is_none());
        let mut wrong = first_new.secret.clone();
        wrong.pop();
        wrong.push(if first_new.secret.ends_with('0') { '1' } else { '0' });
        for bad in ["", "cdt_", "xyz", wrong.as_str(), &first_new.secret.to_uppercase()] {
            assert!(table.authenticate(bad, at(0)).is_none(), "{bad}");
        }
        assert!(!format!("{first_new:?}").contains(&first_new.secret));
        assert_eq!(first_new.secret.len(), SECRET_CHARS);
    }

    #[test]
    fn creating_and_revoking_have_rules() {
        let (token, _) =
            mint("ci", (Role::Admin, &Scopes::default()), Some(at(50))).expect("random");
        let table = TokenTable::default().with(token.clone());
        let code = |name: &str, expires, max, now| {
            table.may_create(name, expires, max, at(now)).err().map(|rejection| rejection.code)
        };
        assert_eq!(code("other", None, 9, 0), None);
        assert_eq!(code("", None, 9, 0), Some("invalid_token_name"));
        assert_eq!(code("a\nb", None, 9, 0), Some("invalid_token_name"));
        assert_eq!(code(&"a".repeat(65), None, 9, 0), Some("invalid_token_name"));
        assert_eq!(code("other", Some(at(0)), 9, 0), Some("invalid_expiry"));
        assert_eq!(code("ci", None, 9, 0), Some("token_name_taken"));
        assert_eq!(code("ci", None, 9, 50), None);
        assert_eq!(code("other", None, 1, 0), Some("limit"));
        assert_eq!(table.may_revoke(&token.id).expect("there"), "ci");
        assert_eq!(table.may_revoke("tok_0").err().map(|r| r.code), Some("not_found"));
    }
}
