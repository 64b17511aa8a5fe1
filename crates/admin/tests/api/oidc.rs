//! Logins through a provider of identities that is honest, broken, or somebody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use conduit_admin::control::BoxFuture;
use conduit_admin::oidc::Oidc;
use conduit_admin::oidc::outside::{Outside, OutsideError};
use conduit_admin::oidc::settings::{OidcSettings, RoleMap};
use conduit_core::actor::Role;
use serde_json::{Value, json};

use crate::gateway::{Gateway, status};
use crate::sessions::{JSON, json_of};

const HOST: &str = "conduit.internal";
const ISSUER: &str = "https://login.example";
const CLIENT: &str = "conduit";
const SECRET: &str = "the client's secret";

/// What the provider does beside what it should.
#[derive(Clone)]
struct Manners {
    /// Over the claims of an honest token; null takes one away.
    claims: Value,
    userinfo: Value,
    algorithm: &'static str,
    /// Signs with a key that nobody published.
    other_key: bool,
    /// Publishes another key than it did, once.
    new_key: bool,
    token_status: u16,
    is_down: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            claims: json!({}),
            userinfo: json!({}),
            algorithm: "ES256",
            other_key: false,
            new_key: false,
            token_status: 200,
            is_down: false,
        }
    }
}

struct Provider {
    manners: Mutex<Manners>,
    key: Mutex<EcdsaKeyPair>,
    nonce: Mutex<String>,
    challenge: Mutex<String>,
    asked: Mutex<Vec<String>>,
}

impl Provider {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            manners: Mutex::default(),
            key: Mutex::new(key()),
            nonce: Mutex::default(),
            challenge: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    fn set(&self, manners: Manners) {
        *self.manners.lock().expect("sound") = manners;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("sound"))
    }

    fn answer(&self, request: &http::Request<Vec<u8>>) -> (u16, Value) {
        let manners = self.manners.lock().expect("sound").clone();
        let path = request.uri().path();
        self.asked.lock().expect("sound").push(path.to_owned());
        match path {
            "/.well-known/openid-configuration" => (200, self.metadata()),
            "/keys" => (200, self.keys()),
            "/token" => self.token(request, &manners),
            "/userinfo" => (200, merged(json!({ "sub": "s-1" }), &manners.userinfo)),
            _ => (404, json!({})),
        }
    }

    fn metadata(&self) -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "userinfo_endpoint": format!("{ISSUER}/userinfo"),
            "jwks_uri": format!("{ISSUER}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        })
    }

    fn keys(&self) -> Value {
        let key = self.key.lock().expect("sound");
        let point = key.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "k", "x": x, "y": y }] })
    }

    fn token(&self, request: &http::Request<Vec<u8>>, manners: &Manners) -> (u16, Value) {
        let form: BTreeMap<String, String> = url_form(request.body());
        let verifier = form.get("code_verifier").expect("PKCE").as_bytes();
        let expected = BASE64.encode(digest(&SHA256, verifier));
        assert_eq!(*self.challenge.lock().expect("sound"), expected);
        assert_eq!(form["redirect_uri"], "https://conduit.internal/login/oidc");
        let basic = request.headers()["authorization"].to_str().expect("text");
        assert!(basic.starts_with("Basic "), "{basic}");
        if form["code"] != "good" || manners.token_status != 200 {
            let status = if manners.token_status == 200 { 400 } else { manners.token_status };
            return (status, json!({ "error": "invalid_grant" }));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("late").as_secs();
        let honest = json!({
            "iss": ISSUER, "sub": "s-1", "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": *self.nonce.lock().expect("sound"), "preferred_username": "ada",
            "groups": ["ops"],
        });
        if manners.new_key {
            *self.key.lock().expect("sound") = key();
        }
        let claims = merged(honest, &manners.claims);
        let token = self.signed(manners, &claims);
        (200, json!({ "access_token": "at", "token_type": "Bearer", "id_token": token }))
    }

    fn signed(&self, manners: &Manners, claims: &Value) -> String {
        let head = json!({ "alg": manners.algorithm, "kid": "k", "typ": "JWT" }).to_string();
        let text = format!("{}.{}", BASE64.encode(head), BASE64.encode(claims.to_string()));
        let chance = SystemRandom::new();
        let other = key();
        let ours = self.key.lock().expect("sound");
        let signature = match manners.algorithm {
            "none" => Vec::new(),
            "HS256" => {
                let key =
                    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
                aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            _ => {
                let key = if manners.other_key { &other } else { &*ours };
                key.sign(&chance, text.as_bytes()).expect("signed").as_ref().to_vec()
            }
        };
        format!("{text}.{}", BASE64.encode(signature))
    }
}

struct Here(Arc<Provider>);

impl Outside for Here {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'static, Result<http::Response<Vec<u8>>, OutsideError>> {
        let provider = Arc::clone(&self.0);
        Box::pin(async move {
            if provider.manners.lock().expect("sound").is_down {
                return Err(OutsideError("connection refused".into()));
            }
            let (status, body) = provider.answer(&request);
            let answer = http::Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(body.to_string().into_bytes());
            Ok(answer.expect("an answer"))
        })
    }

    fn secret(&self) -> BoxFuture<'_, Result<Option<String>, OutsideError>> {
        Box::pin(async { Ok(Some(SECRET.into())) })
    }
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")
}

fn merged(mut base: Value, over: &Value) -> Value {
    for (name, value) in over.as_object().expect("an object") {
        match value {
            Value::Null => base.as_object_mut().expect("an object").remove(name),
            value => base.as_object_mut().expect("an object").insert(name.clone(), value.clone()),
        };
    }
    base
}

fn url_form(body: &[u8]) -> BTreeMap<String, String> {
    let uri = format!("http://x/?{}", String::from_utf8_lossy(body));
    query(&uri)
}

/// The parts of a query that needs no more than what logins use.
fn query(url: &str) -> BTreeMap<String, String> {
    let query = url.split_once('?').expect("a query").1;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| text.replace("%3A", ":").replace("%2F", "/").replace('+', " ");
    pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect()
}

fn settings() -> OidcSettings {
    let groups = |groups: &[&str]| groups.iter().map(ToString::to_string).collect();
    OidcSettings {
        issuer: ISSUER.into(),
        client_id: CLIENT.into(),
        scopes: vec!["profile".into(), "groups".into()],
        name_claim: "preferred_username".into(),
        roles_claim: "groups".into(),
        roles: RoleMap::new([
            (Role::Admin, groups(&["admins"])),
            (Role::Operator, groups(&["ops"])),
        ]),
        label: "Site login".into(),
    }
}

fn start() -> (Gateway, Arc<Provider>) {
    let provider = Provider::new();
    let oidc = Oidc::new(settings(), Arc::new(Here(Arc::clone(&provider))));
    (Gateway::start_through(oidc), provider)
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> (u16, Value) {
    let answer = gateway.ask_at(HOST, "POST", path, JSON, &body.to_string()).await;
    (status(&answer), json_of(&answer))
}

/// Begins; what the page brings back when all goes well.
async fn begun(gateway: &Gateway, provider: &Provider) -> Value {
    let (code, reply) = post(gateway, "/api/v1/session/oidc", &json!({})).await;
    assert_eq!(code, 200, "{reply}");
    let url = reply["url"].as_str().expect("a URL");
    let asked = query(url);
    assert!(url.starts_with("https://login.example/authorize?"), "{url}");
    assert_eq!(
        (&*asked["client_id"], &*asked["response_type"], &*asked["code_challenge_method"]),
        (CLIENT, "code", "S256")
    );
    assert_eq!(asked["scope"], "openid profile groups");
    let key = reply["key"].as_str().expect("a key");
    assert!(!url.contains(key), "{url}");
    (*provider.nonce.lock().expect("sound")).clone_from(&asked["nonce"]);
    (*provider.challenge.lock().expect("sound")).clone_from(&asked["code_challenge"]);
    json!({ "code": "good", "state": asked["state"], "key": key })
}

async fn back(gateway: &Gateway, back: &Value) -> (u16, Value) {
    post(gateway, "/api/v1/session", &json!({ "oidc": back })).await
}

#[tokio::test]
async fn whom_the_provider_vouches_for_gets_in_with_the_role_of_their_groups() {
    let (gateway, provider) = start();
    let answer = gateway.ask_at(HOST, "GET", "/api/v1/session/ways", "", "").await;
    assert_eq!(json_of(&answer), json!({ "oidc": { "label": "Site login" } }));
    let brought = begun(&gateway, &provider).await;
    let (code, session) = back(&gateway, &brought).await;
    assert_eq!(code, 200, "{session}");
    assert_eq!(
        (&session["name"], &session["role"], &session["way"]),
        (&"ada".into(), &"operator".into(), &"oidc".into())
    );
    assert_eq!(back(&gateway, &brought).await.0, 401, "once");
    let entry = &gateway.local().audit(1, None).await.expect("entries").value.entries[0];
    assert_eq!((entry.action.as_str(), entry.user.as_str()), ("login", "oidc:ada"));
    assert_eq!(entry.details["way"], "oidc");
    assert!(!provider.asked().contains(&"/userinfo".to_owned()), "the token said enough");
    // What a token leaves out, userinfo says; an admin's group counts for more.
    let claims = json!({ "groups": null, "preferred_username": null });
    let userinfo = json!({ "groups": ["ops", "admins"], "preferred_username": "Ada\nL." });
    provider.set(Manners { claims, userinfo, ..Manners::default() });
    let (code, session) = back(&gateway, &begun(&gateway, &provider).await).await;
    assert_eq!((code, &session["name"], &session["role"]), (200, &"AdaL.".into(), &"admin".into()));
}

#[tokio::test]
async fn what_the_provider_did_not_sign_for_this_login_opens_nothing() {
    let (gateway, provider) = start();
    let wrong = |claims: Value| Manners { claims, ..Manners::default() };
    for (manners, why) in [
        (wrong(json!({ "nonce": "another" })), "another login's"),
        (wrong(json!({ "nonce": null })), "nobody's"),
        (wrong(json!({ "aud": "grafana" })), "another client's"),
        (wrong(json!({ "aud": [CLIENT, "grafana"] })), "another client's as well"),
        (wrong(json!({ "iss": "https://evil.example" })), "another provider's"),
        (wrong(json!({ "exp": 1_000_000_000 })), "an old one"),
        (wrong(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })), "another access token's"),
        (Manners { other_key: true, ..Manners::default() }, "signed by somebody"),
        (Manners { algorithm: "none", ..Manners::default() }, "not signed"),
        (Manners { algorithm: "HS256", ..Manners::default() }, "signed with our own secret"),
        (Manners { token_status: 400, ..Manners::default() }, "a code that is good no more"),
    ] {
        provider.set(manners);
        let (code, reply) = back(&gateway, &begun(&gateway, &provider).await).await;
        assert_eq!(
            (code, &reply["error"]["code"]),
            (401, &"login_failed".into()),
            "{why}: {reply}"
        );
    }
    provider.set(Manners { new_key: true, ..Manners::default() });
    let brought = begun(&gateway, &provider).await;
    provider.asked();
    assert_eq!(back(&gateway, &brought).await.0, 200, "keys that changed are asked for");
    let asked = provider.asked();
    assert_eq!(asked, ["/token", "/.well-known/openid-configuration", "/keys"]);
}

#[tokio::test]
async fn only_the_page_that_began_finishes() {
    let (gateway, provider) = start();
    for (change, why) in [
        (json!({ "key": "0".repeat(64) }), "another browser"),
        (json!({ "key": "" }), "no key"),
        (json!({ "state": "f".repeat(32) }), "never begun"),
        (json!({ "state": "x" }), "no state"),
        (json!({ "code": "" }), "no code"),
        (json!({ "code": "A".repeat(5_000) }), "a long code"),
        (json!({ "code": "wrong" }), "another code"),
        (json!({ "issuer": "https://evil.example" }), "sent back by another provider"),
    ] {
        let brought = merged(begun(&gateway, &provider).await, &change);
        assert_eq!(back(&gateway, &brought).await.0, 401, "{why}");
    }
    let brought = merged(begun(&gateway, &provider).await, &json!({ "issuer": ISSUER }));
    let wish = json!({ "oidc": brought }).to_string();
    let elsewhere = gateway.ask("POST", "/api/v1/session", JSON, &wish).await;
    assert_eq!(status(&elsewhere), 401, "another of our hosts");
    let crossing = format!("{JSON}Sec-Fetch-Site: cross-site\r\n");
    let crossed = gateway.ask_at(HOST, "POST", "/api/v1/session/oidc", &crossing, "{}").await;
    assert_eq!(status(&crossed), 403);
    let both = json!({ "oidc": brought, "token": "x" });
    assert_eq!(post(&gateway, "/api/v1/session", &both).await.0, 422);
}

#[tokio::test]
async fn a_provider_that_fails_or_gives_no_role_says_so() {
    let (mut gateway, provider) = start();
    provider.set(Manners { claims: json!({ "groups": ["guests"] }), ..Manners::default() });
    let (code, reply) = back(&gateway, &begun(&gateway, &provider).await).await;
    assert_eq!((code, &reply["error"]["code"]), (403, &"no_role".into()));
    let failed = gateway.events.ready().expect("an event");
    let told = format!("{failed:?}");
    assert!(
        told.contains("through the provider: Site login knows") && told.contains("ada"),
        "{told}"
    );
    let hint = reply["error"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("admin.oidc.roles"), "{hint}");
    provider.set(Manners { token_status: 500, ..Manners::default() });
    let brought = begun(&gateway, &provider).await;
    provider.set(Manners { is_down: true, ..Manners::default() });
    let (code, reply) = back(&gateway, &brought).await;
    assert_eq!((code, &reply["error"]["code"]), (502, &"provider_failed".into()));
    assert!(!reply.to_string().contains("refused"), "the reason is for the log: {reply}");
    let without = Gateway::start();
    let answer = without.ask_at(HOST, "GET", "/api/v1/session/ways", "", "").await;
    assert_eq!(json_of(&answer), json!({ "oidc": null }));
    let (code, reply) = post(&without, "/api/v1/session/oidc", &json!({})).await;
    assert_eq!((code, &reply["error"]["code"]), (404, &"no_provider".into()));
    let down = Provider::new();
    down.set(Manners { is_down: true, ..Manners::default() });
    let oidc = Oidc::new(settings(), Arc::new(Here(Arc::clone(&down))));
    let gateway = Gateway::start_through(oidc);
    assert_eq!(post(&gateway, "/api/v1/session/oidc", &json!({})).await.0, 502);
}
