//! The provider itself: what it says of itself, where people are sent, what a code is worth.
//!
//! **Invariant:** a person is believed in by a token that the provider signed for this gateway, for
//! this login (OpenID Connect Core 1.0, section 3.1.3.7); shared secrets sign nothing here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::error::Chain;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthenticationFlow, AuthorizationCode,
    Client, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IdTokenVerifier,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse,
    UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::claims::Claims;
use super::outside::{Outside, OutsideError};
use super::settings::OidcSettings;
use crate::control::BoxFuture;

/// The way to the provider.
pub(super) struct Provider {
    issuer: String,
    client_id: ClientId,
    scopes: Vec<Scope>,
    outside: Sender,
    known: Mutex<Option<Known>>,
}

/// How the library sends its requests.
struct Sender(Arc<dyn Outside>);

impl<'c> AsyncHttpClient<'c> for Sender {
    type Error = OutsideError;
    type Future = BoxFuture<'c, Result<HttpResponse, OutsideError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.0.send(request)
    }
}

/// What the provider said of itself, or why it did not.
struct Known {
    at: Instant,
    said: Result<CoreProviderMetadata, String>,
}

/// What a login asked for, and has to get back.
pub(super) struct Asked {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
}

/// Why nobody was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The provider does not work, or not with this gateway.
    #[error("{0}")]
    Provider(String),
    /// What came back proves nothing.
    #[error("{0}")]
    Proof(String),
}

impl Provider {
    pub(super) fn new(settings: &OidcSettings, outside: Arc<dyn Outside>) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            client_id: ClientId::new(settings.client_id.clone()),
            scopes: settings.scopes.iter().cloned().map(Scope::new).collect(),
            outside: Sender(outside),
            known: Mutex::default(),
        }
    }

    /// Where to send somebody, and what has to come back.
    pub(super) async fn begin(
        &self,
        state: String,
        redirect: &str,
    ) -> Result<(String, Asked), Failure> {
        let redirect = RedirectUrl::new(redirect.to_owned());
        let redirect = redirect.map_err(|error| Failure::Provider(told(&error)))?;
        let client = self.client(KEPT).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new(state);
        let (url, _, nonce) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || state,
                Nonce::new_random,
            )
            .set_redirect_uri(Cow::Borrowed(&redirect))
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(challenge)
            .url();
        Ok((url.into(), Asked { nonce, verifier, redirect }))
    }

    /// Trades a code for what the provider says of whom it belongs to. Where that is too little,
    /// `lacks` says so, and the provider's userinfo is asked as well.
    pub(super) async fn finish(
        &self,
        asked: Asked,
        code: &str,
        lacks: &(dyn Fn(&Claims) -> bool + Sync),
    ) -> Result<Claims, Failure> {
        let client = self.client(KEPT).await?;
        let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let exchange = exchange.map_err(|error| Failure::Provider(told(&error)))?;
        let tokens = exchange
            .set_pkce_verifier(asked.verifier)
            .set_redirect_uri(Cow::Owned(asked.redirect))
            .request_async(&self.outside)
            .await
            .map_err(|error| match &error {
                RequestTokenError::ServerResponse(said)
                    if *said.error() == CoreErrorResponseType::InvalidGrant =>
                {
                    Failure::Proof(told(&error))
                }
                _ => Failure::Provider(told(&error)),
            })?;
        let missing =
            || Failure::Provider("it sends no ID token; is openid among its scopes?".into());
        tokens.id_token().ok_or_else(missing)?;
        // A provider that changed its keys since is asked for them once.
        let (said, subject) = match verified(&client, &tokens, &asked.nonce) {
            Err(Failure::Proof(_)) => {
                verified(&self.client(Duration::ZERO).await?, &tokens, &asked.nonce)
            }
            judged => judged,
        }?;
        let mut claims = Claims::new(&subject, said);
        if lacks(&claims)
            && let Some(more) = self.userinfo(&client, &tokens, &subject).await?
        {
            claims.extend(more);
        }
        Ok(claims)
    }

    async fn userinfo(
        &self,
        client: &OidcClient,
        tokens: &Tokens,
        subject: &str,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let subject = openidconnect::SubjectIdentifier::new(subject.to_owned());
        let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) else {
            return Ok(None);
        };
        let said: UserInfoClaims<Rest, CoreGenderClaim> = request
            .request_async(&self.outside)
            .await
            .map_err(|error| Failure::Provider(format!("userinfo: {}", told(&error))))?;
        Ok(Some(map_of(&said)))
    }

    async fn client(&self, fresh: Duration) -> Result<OidcClient, Failure> {
        let secret = self.outside.0.secret().await;
        let secret = secret.map_err(|error| Failure::Provider(told(&error)))?;
        let said = self.metadata(fresh).await?;
        let secret = secret.map(ClientSecret::new);
        Ok(Client::from_provider_metadata(said, self.client_id.clone(), secret))
    }

    /// What the provider says of itself, at most this old. One asks at a time.
    async fn metadata(&self, fresh: Duration) -> Result<CoreProviderMetadata, Failure> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known {
            let limit = if known.said.is_ok() { fresh } else { FAILURE_KEPT };
            if known.at.elapsed() < limit {
                return known.said.clone().map_err(Failure::Provider);
            }
        }
        let said = self.discover().await;
        *known = Some(Known { at: Instant::now(), said: said.clone() });
        said.map_err(Failure::Provider)
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, String> {
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|error| told(&error))?;
        let found = CoreProviderMetadata::discover_async(issuer, &self.outside).await;
        found.map_err(|error| format!("{} cannot be used: {}", self.issuer, told(&error)))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a token says, once everything about it holds; and whom it is about.
fn verified(
    client: &OidcClient,
    tokens: &Tokens,
    nonce: &Nonce,
) -> Result<(Map<String, Value>, String), Failure> {
    let proof = |reason: String| Failure::Proof(reason);
    let token = tokens.id_token().ok_or_else(|| proof("there is no ID token".into()))?;
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> =
        client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    let claims = token.claims(&verifier, nonce).map_err(|error| proof(told(&error)))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| proof(told(&error)))?;
        let key = token.signing_key(&verifier).map_err(|error| proof(told(&error)))?;
        let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
        if actual.map_err(|error| proof(told(&error)))? != *expected {
            return Err(proof(
                "the access token is not the one that belongs to the ID token".into(),
            ));
        }
    }
    Ok((map_of(claims), claims.subject().to_string()))
}

fn map_of(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}

/// Claims that no standard names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rest(HashMap<String, Value>);

impl AdditionalClaims for Rest {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Rest,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type OidcClient = Client<
    Rest,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What tokens may be signed with: the provider's own keys (RFC 7518, section 3.1; RFC 8037).
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How long what the provider says of itself, and its keys, are used.
const KEPT: Duration = Duration::from_secs(300);
/// How long a provider that failed is left alone.
const FAILURE_KEPT: Duration = Duration::from_secs(3);
