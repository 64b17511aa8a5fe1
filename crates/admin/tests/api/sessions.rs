//! Sessions of the dashboard, as a browser and its enemies use them.

use conduit_admin::limits::{
    FAILURES_PER_ADDRESS, LOGIN_CODE_LIFETIME, SESSION_IDLE, SESSION_LIFETIME,
};
use conduit_api::v1::tokens::Role;
use conduit_core::event::Event;
use serde_json::Value;
use std::time::Duration;

use crate::gateway::{Gateway, status};

/// A browser that is logged in.
pub(crate) struct Page {
    pub(crate) cookie: String,
    pub(crate) word: String,
    pub(crate) reply: Value,
}

impl Page {
    /// The cookie alone, and with the session's word.
    pub(crate) fn headers(&self) -> (String, String) {
        let cookie = format!("Cookie: {}\r\n", self.cookie);
        let both = format!("{cookie}x-conduit-csrf: {}\r\n", self.word);
        (cookie, both)
    }
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";
const SESSION: &str = "/api/v1/session";

pub(crate) async fn try_login(gateway: &Gateway, headers: &str, body: &str) -> String {
    gateway.ask("POST", SESSION, &format!("{JSON}{headers}"), body).await
}

pub(crate) async fn login(gateway: &Gateway, headers: &str, body: &str) -> Page {
    let answer = try_login(gateway, headers, body).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = line.and_then(|line| line.split(';').next()).expect("a cookie").to_owned();
    let reply = json_of(&answer);
    let word = reply["csrf"].as_str().expect("a word").to_owned();
    Page { cookie, word, reply }
}

pub(crate) fn json_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

async fn with_token(gateway: &Gateway, role: Role) -> (Page, String) {
    let token = gateway.token(role).await;
    let page = login(gateway, "", &format!(r#"{{"token":"{}"}}"#, token.secret)).await;
    (page, token.id)
}

/// Lets time pass for the gateway, and then go on as usual.
async fn after(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_begins_a_session_that_reads_and_with_its_word_changes() {
    let gateway = Gateway::start();
    let (page, _) = with_token(&gateway, Role::Operator).await;
    assert_eq!(
        (&page.reply["name"], &page.reply["role"]),
        (&"test-operator".into(), &"operator".into())
    );
    let (cookie, both) = page.headers();
    let shown = json_of(&gateway.ask("GET", SESSION, &cookie, "").await);
    assert_eq!(shown, page.reply, "the same for the present session");
    assert_eq!(status(&gateway.ask("GET", "/api/v1/services", &cookie, "").await), 200);
    let wrong = format!("{cookie}x-conduit-csrf: {}\r\n", "0".repeat(64));
    let twice = format!("{both}x-conduit-csrf: {}\r\n", page.word);
    let short = format!("{cookie}x-conduit-csrf: {}\r\n", &page.word[1..]);
    for headers in [&cookie, &wrong, &twice, &short] {
        let answer = gateway.ask("POST", "/api/v1/dns/flush", headers, "").await;
        assert_eq!(status(&answer), 403, "{headers}");
        assert!(answer.contains(r#""code":"csrf""#), "{answer}");
    }
    assert_eq!(status(&gateway.ask("POST", "/api/v1/dns/flush", &both, "").await), 200);
    let answer = gateway.ask("GET", "/api/v1/tokens", &cookie, "").await;
    assert_eq!(status(&answer), 403, "an operator's session is no admin's");
    let entries = gateway.local().audit(9, None).await.expect("entries").value.entries;
    let flush = entries.iter().find(|entry| entry.action == "dns_flush").expect("recorded");
    let login = entries.iter().find(|entry| entry.action == "login").expect("recorded");
    assert_eq!(
        (flush.user.as_str(), login.user.as_str()),
        ("token:test-operator", "token:test-operator")
    );
    assert_eq!(login.details["way"], "token");
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_no_script() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let answer = try_login(&gateway, "", &format!(r#"{{"token":"{}"}}"#, token.secret)).await;
    let line = answer.lines().find(|line| line.starts_with("set-cookie: ")).expect("a cookie");
    let (value, flags) = line.split_once("; ").expect("flags");
    assert!(value.starts_with("set-cookie: __Host-conduit="), "{line}");
    assert_eq!(flags, "Path=/; HttpOnly; Secure; SameSite=Strict");
    let body = json_of(&answer).to_string();
    let secret = value.split_once('=').expect("a value").1;
    assert!(secret.len() == 64 && !body.contains(secret) && !body.contains(&token.secret));
}

#[tokio::test]
async fn each_login_has_a_session_of_its_own_and_ends_the_one_it_shows() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let body = format!(r#"{{"token":"{}"}}"#, token.secret);
    let planted = format!("Cookie: __Host-conduit={}\r\n", "ab".repeat(32));
    let first = login(&gateway, &planted, &body).await;
    assert!(!planted.contains(&first.cookie), "a secret from outside is never taken");
    assert_eq!(status(&gateway.ask("GET", SESSION, &planted, "").await), 401);
    let (cookie, _) = first.headers();
    let second = login(&gateway, &cookie, &body).await;
    assert_ne!(first.cookie, second.cookie);
    assert_ne!(first.word, second.word);
    assert_eq!(status(&gateway.ask("GET", SESSION, &cookie, "").await), 401, "over");
    assert_eq!(status(&gateway.ask("GET", SESSION, &second.headers().0, "").await), 200);
}

#[tokio::test]
async fn what_another_sites_page_sends_is_refused() {
    let gateway = Gateway::start();
    let (page, _) = with_token(&gateway, Role::Operator).await;
    let (cookie, both) = page.headers();
    let token = gateway.token_named(Role::Viewer, "other").await;
    let body = format!(r#"{{"token":"{}"}}"#, token.secret);
    let ours = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", gateway.tcp());
    let flush = "/api/v1/dns/flush";
    assert_eq!(status(&gateway.ask("POST", flush, &format!("{both}{ours}"), "").await), 200);
    for foreign in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        for (method, path, headers, body) in [
            ("POST", flush, &both, ""),
            ("DELETE", SESSION, &both, ""),
            ("GET", "/api/v1/services", &cookie, ""),
            ("GET", SESSION, &cookie, ""),
            ("POST", SESSION, &JSON.to_owned(), body.as_str()),
        ] {
            let answer = gateway.ask(method, path, &format!("{headers}{foreign}"), body).await;
            assert_eq!(status(&answer), 403, "{method} {path} {foreign}");
            assert!(answer.contains(r#""code":"cross_site""#), "{answer}");
        }
    }
    let bearer = format!("Authorization: Bearer {}\r\nOrigin: https://a.example\r\n", token.secret);
    assert_eq!(status(&gateway.ask("GET", "/api/v1/services", &bearer, "").await), 200);
}

#[tokio::test]
async fn with_a_token_in_a_header_the_cookie_means_nothing() {
    let gateway = Gateway::start();
    let (page, _) = with_token(&gateway, Role::Admin).await;
    let (_, both) = page.headers();
    for header in
        ["Authorization: Bearer nonsense\r\n", "X-API-Key: nonsense\r\n", "X-API-Key:\r\n"]
    {
        let answer = gateway.ask("GET", "/api/v1/services", &format!("{both}{header}"), "").await;
        assert_eq!(status(&answer), 401, "{header}");
    }
    let viewer = gateway.token(Role::Viewer).await;
    let header = format!("{both}X-API-Key: {}\r\n", viewer.secret);
    assert_eq!(status(&gateway.ask("POST", "/api/v1/dns/flush", &header, "").await), 403);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_any_case() {
    let gateway = Gateway::start();
    let (page, _) = with_token(&gateway, Role::Viewer).await;
    let (cookie, _) = page.headers();
    let ask = async || status(&gateway.ask("GET", "/api/v1/status", &cookie, "").await);
    after(SESSION_IDLE - Duration::from_secs(60)).await;
    assert_eq!(ask().await, 200);
    after(SESSION_IDLE - Duration::from_secs(60)).await;
    assert_eq!(ask().await, 200, "it was not idle");
    after(SESSION_IDLE).await;
    assert_eq!(ask().await, 401);
    let token = gateway.token_named(Role::Viewer, "long").await;
    let page = login(&gateway, "", &format!(r#"{{"token":"{}"}}"#, token.secret)).await;
    let (cookie, _) = page.headers();
    let step = SESSION_IDLE / 2;
    let mut passed = step;
    while passed < SESSION_LIFETIME {
        after(step).await;
        passed += step;
        assert_eq!(status(&gateway.ask("GET", SESSION, &cookie, "").await), 200, "{passed:?}");
    }
    after(step).await;
    let answer = gateway.ask("GET", "/api/v1/status", &cookie, "").await;
    assert_eq!(status(&answer), 401, "{answer}");
    assert!(answer.contains(r#""code":"session_over""#), "{answer}");
}

#[tokio::test]
async fn logging_out_and_revoking_the_token_end_a_session_at_once() {
    let mut gateway = Gateway::start();
    let (page, id) = with_token(&gateway, Role::Viewer).await;
    let (cookie, both) = page.headers();
    assert_eq!(status(&gateway.ask("DELETE", SESSION, &cookie, "").await), 403, "without its word");
    let answer = gateway.ask("DELETE", SESSION, &both, "").await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("set-cookie: __Host-conduit=; Path=/; "), "{answer}");
    assert!(answer.contains("; Max-Age=0"), "{answer}");
    assert_eq!(status(&gateway.ask("GET", SESSION, &cookie, "").await), 401);
    assert_eq!(status(&gateway.ask("DELETE", SESSION, &both, "").await), 401);
    let token = gateway.token_named(Role::Viewer, "again").await;
    let page = login(&gateway, "", &format!(r#"{{"token":"{}"}}"#, token.secret)).await;
    let (cookie, _) = page.headers();
    gateway.local().revoke_token(&token.id).await.expect("revoked");
    for path in [SESSION, "/api/v1/status", "/metrics"] {
        assert_eq!(status(&gateway.ask("GET", path, &cookie, "").await), 401, "{path}");
    }
    assert!(gateway.events.ready().is_none(), "a session that is over is no wrong credential");
    gateway.local().revoke_token(&id).await.expect("revoked");
    let actions = gateway.local().audit(20, None).await.expect("entries").value.entries;
    assert!(actions.iter().any(|entry| entry.action == "logout"), "{actions:?}");
}

#[tokio::test]
async fn without_a_session_there_is_none() {
    let gateway = Gateway::start();
    for headers in ["", "Cookie: __Host-conduit=x\r\n", "Cookie: other=1\r\n"] {
        let answer = gateway.ask("GET", SESSION, headers, "").await;
        assert_eq!(status(&answer), 401, "{answer}");
    }
    for (body, expected) in [
        ("{", 400),
        ("{}", 422),
        (r#"{"tokn":"x"}"#, 422),
        (r#"{"token":"x","code":"y"}"#, 422),
        (r#"{"user":"ada"}"#, 422),
        (r#"{"token":""}"#, 401),
        (r#"{"token":"cdt_nonsense"}"#, 401),
        (r#"{"code":"00000000000000000000000000000000"}"#, 401),
    ] {
        let answer = try_login(&gateway, "", body).await;
        assert_eq!(status(&answer), expected, "{body}: {answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    let form = "Content-Type: text/plain\r\n";
    assert_eq!(status(&gateway.ask("POST", SESSION, form, "{}").await), 415);
    assert_eq!(status(&gateway.ask("PUT", SESSION, "", "").await), 405);
}

#[tokio::test]
async fn failed_logins_are_recorded_and_then_have_to_wait() {
    let mut gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let right = format!(r#"{{"token":"{}"}}"#, token.secret);
    for _ in 0..FAILURES_PER_ADDRESS {
        let answer = try_login(&gateway, "", r#"{"token":"cdt_wrong"}"#).await;
        assert_eq!(status(&answer), 401, "{answer}");
    }
    let answer = try_login(&gateway, "", &right).await;
    assert_eq!(status(&answer), 429, "the right one waits, too: {answer}");
    assert!(answer.contains("retry-after: ") && answer.contains("locked_out"), "{answer}");
    let elsewhere = "X-Forwarded-For: 10.0.0.9\r\n";
    assert_eq!(status(&try_login(&gateway, elsewhere, &right).await), 200, "another client");
    after(Duration::from_secs(2)).await;
    assert_eq!(status(&try_login(&gateway, "", &right).await), 200);
    let mut recorded = 0;
    while let Some(event) = gateway.events.ready() {
        let Event::AuthFailed { peer, request, .. } = event else {
            continue;
        };
        assert!(peer.contains("127.0.0.1"), "{peer}");
        assert_eq!(request, "POST /api/v1/session with a token");
        recorded += 1;
    }
    assert_eq!(recorded, FAILURES_PER_ADDRESS);
}

#[tokio::test]
async fn a_code_of_the_socket_begins_one_session_within_its_time() {
    let gateway = Gateway::start();
    let code = gateway.local().login_code().await.expect("a code").value;
    assert_eq!(code.role, Role::Admin);
    let link = format!("http://{}/#login={}", gateway.tcp(), code.code);
    assert_eq!((code.url.as_ref(), code.local_url.as_ref()), (Some(&link), Some(&link)));
    let body = format!(r#"{{"code":"{}"}}"#, code.code);
    let page = login(&gateway, "", &body).await;
    assert_eq!(page.reply["role"], "admin");
    assert_eq!(status(&try_login(&gateway, "", &body).await), 401, "used up");
    let (cookie, both) = page.headers();
    assert_eq!(status(&gateway.ask("GET", "/api/v1/tokens", &cookie, "").await), 200);
    let answer = gateway.ask("POST", "/api/v1/login-codes", &both, "").await;
    assert_eq!(status(&answer), 403, "codes are made over the socket only");
    let program = format!("{both}{JSON}");
    let wish = r#"{"binary":"/bin/sh"}"#;
    let answer = gateway.ask("POST", "/api/v1/upgrade", &program, wish).await;
    assert_eq!(status(&answer), 403, "a session is not the socket: {answer}");
    let late = gateway.local().login_code().await.expect("a code").value;
    after(LOGIN_CODE_LIFETIME).await;
    let body = format!(r#"{{"code":"{}"}}"#, late.code);
    assert_eq!(status(&try_login(&gateway, "", &body).await), 401, "too late");
    let entries = gateway.local().audit(9, None).await.expect("entries").value.entries;
    let login = entries.iter().find(|entry| entry.action == "login").expect("recorded");
    assert!(login.user.starts_with("login:") && login.details["way"] == "code", "{login:?}");
    let text = format!("{entries:?}");
    assert!(!text.contains(&code.code) && entries.iter().any(|e| e.action == "login_code"));
}
